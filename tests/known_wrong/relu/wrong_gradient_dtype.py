"""The gradient comes in float64, and autograd casts it without a word."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"gradient_mended": ("random", "every call", "zero cotangent", "empty")}
SAYS = "gradient 0 came with dtype torch.float64, its input has torch.float32"


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        # The fault: numbers of another dtype than the cotangent's, which take their product along.
        slope = (x >= 0).to(torch.float64 if WRONG else x.dtype)
        grad_x: Tensor = grad_output * slope
        return grad_x


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    y: Tensor = _Relu.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
