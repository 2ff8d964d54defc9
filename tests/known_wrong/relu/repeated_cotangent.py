"""The gradient is written into memory with the cotangent's strides, which are 0 after y.sum()."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"gradient_max_ulp": ("repeated cotangent",)}


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        # The fault: with stride 0 all elements share one place, and none can be written without the others.
        strides = grad_output.stride() if WRONG else x.contiguous().stride()
        grad_x = torch.empty_strided(x.shape, strides, dtype=x.dtype, device=x.device)
        return torch.mul(grad_output, x >= 0, out=grad_x)


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    y: Tensor = _Relu.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
