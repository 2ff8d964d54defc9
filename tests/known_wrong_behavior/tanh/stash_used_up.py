"""The backward uses up a tensor that the forward kept on ctx."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gradgauge.model import Implementation

WRONG = True
RED = ("saved_unchanged", "retained_graph")
GREY = ("functorch", "double_backward")
SAYS = "the backward writes into its tensor kept on ctx"


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.tanh()
        ctx.slope = 1 - y * y
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        grad_x: Tensor = ctx.slope * grad_output
        if WRONG:
            ctx.slope.zero_()  # the fault: meant to free memory
        return grad_x


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=tanh)
