"""The slope is stashed on ctx, where autograd knows nothing of it."""

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
        if WRONG:
            ctx.slope = 1 - y * y  # the fault: nothing differentiates through a plain attribute
        else:
            ctx.save_for_backward(x)
        return y

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        if WRONG:
            slope = ctx.slope
        else:
            (x,) = ctx.saved_tensors
            slope = 1 - x.tanh() ** 2
        grad_x: Tensor = grad_output * slope
        return grad_x


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=tanh)
