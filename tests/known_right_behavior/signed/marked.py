"""One output is differentiable, the other is marked as not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

GREY = ("functorch",)


class _Signed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        is_positive = (x > 0).to(x.dtype)
        ctx.mark_non_differentiable(is_positive)
        ctx.save_for_backward(x)
        return x.tanh(), is_positive

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor, _: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        grad_x: Tensor = grad_y * (1 - x.tanh() ** 2)
        return grad_x


def signed(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return tanh(x) and whether x > 0."""
    outputs: tuple[Tensor, Tensor] = _Signed.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return outputs


IMPLEMENTATION = Implementation(call=signed)
