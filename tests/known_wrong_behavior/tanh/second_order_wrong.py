"""The backward is a Function of its own, whose backward drops a factor of two."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("double_backward",)
GREY = ("functorch",)
SAYS = "the second derivative by input 0 is"


class _Slope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return 1 - x.tanh() ** 2

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        factor = -1 if WRONG else -2  # the fault
        y = x.tanh()
        grad_x: Tensor = factor * y * (1 - y * y) * grad_output
        return grad_x


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        slope: Tensor = _Slope.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
        return grad_output * slope


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=tanh)
