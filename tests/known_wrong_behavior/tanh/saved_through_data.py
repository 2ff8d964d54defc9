"""The backward uses what was saved as its own memory, through `.data`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gradgauge.model import Implementation

WRONG = True
RED = ("saved_unchanged", "retained_graph")
GREY = ("functorch", "double_backward")
SAYS = "the backward writes into its saved tensor 0"


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.tanh()
        ctx.save_for_backward(1 - y * y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (slope,) = ctx.saved_tensors
        # The fault: `.data` has a version counter of its own.
        grad_x: Tensor = slope.data.mul_(grad_output) if WRONG else slope * grad_output
        return grad_x


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=tanh)
