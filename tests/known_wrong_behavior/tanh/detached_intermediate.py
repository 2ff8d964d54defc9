"""The slope is an intermediate that the forward computed, and through it no second derivative flows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("double_backward",)
GREY = ("functorch",)
SAYS = "the gradient is not connected to input 0"


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.tanh()
        # The fault: what the forward computes has no graph, so that a second derivative by x is silently 0.
        ctx.save_for_backward(1 - y * y if WRONG else y)
        return y

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (kept,) = ctx.saved_tensors
        grad_x: Tensor = grad_output * (kept if WRONG else 1 - kept * kept)
        return grad_x


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=tanh)
