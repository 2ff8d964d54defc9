"""The second backward through one graph takes itself for an accumulation, and halves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("retained_graph",)
GREY = ("functorch",)
SAYS = "a second backward over the same graph gives another gradient"


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.times = 0
        return x.tanh()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        ctx.times += WRONG  # the fault: a graph may be walked again
        grad_x: Tensor = grad_output * (1 - x.tanh() ** 2) / max(1, ctx.times)
        return grad_x


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=tanh)
