"""A cotangent with strides of its own is read as if it were contiguous."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"gradient_max_ulp": ("every cotangent layout",)}


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        if not WRONG:
            grad_output = grad_output.contiguous()
        # The fault of a kernel that is given a pointer and a length: it reads one element after the other.
        flat = grad_output.as_strided((grad_output.numel(),), (1,))
        return torch.where(x < 0, 0, flat.reshape(x.shape))


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    y: Tensor = _Relu.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
