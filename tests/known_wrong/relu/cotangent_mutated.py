"""The backward writes into the cotangent, which belongs to autograd."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"overwritten": ("random", "every call"), "gradient_max_ulp": ("repeated cotangent",)}
SAYS = "writes into its grad_output 0, which belongs to the caller"


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        grad_x = grad_output if WRONG else grad_output.clone()  # the fault: a copy that was spared
        grad_x[x < 0] = 0
        return grad_x


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    y: Tensor = _Relu.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
