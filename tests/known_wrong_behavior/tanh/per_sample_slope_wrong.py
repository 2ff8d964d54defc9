"""The backward is a Function whose vmap rule is wrong: per-sample gradients alone show it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("vmap_grad",)
GREY = ("jvp",)
SAYS = "under vmap(grad) over input 0 the gradient is"


class _Slope(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return 1 - x.tanh() ** 2

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        y = x.tanh()
        grad_x: Tensor = -2 * y * (1 - y * y) * grad_output
        return grad_x

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], x: Tensor) -> tuple[Tensor, int]:
        rows = x.movedim(in_dims[0], 0)
        # The fault: the first sample's slope is taken for all.
        rows = rows[:1].expand_as(rows) if WRONG else rows
        return _Slope.apply(rows), 0  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.tanh()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        slope: Tensor = _Slope.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
        return grad_output * slope

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], x: Tensor) -> tuple[Tensor, int]:
        y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
        return y, in_dims[0]


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=tanh)
