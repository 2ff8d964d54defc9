"""The second output is a view of the input, as a Function makes of an input that it returns."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("no_alias",)
GREY = ("functorch",)
SAYS = "its output 1 shares memory with its input"


class _Residual(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x)
        return x.tanh(), x.view_as(x) if WRONG else x.clone()  # the fault

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor, grad_beside: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        grad_x: Tensor = grad_y * (1 - x.tanh() ** 2) + grad_beside
        return grad_x


def residual(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return tanh(x) and x."""
    outputs: tuple[Tensor, Tensor] = _Residual.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return outputs


IMPLEMENTATION = Implementation(call=residual)
