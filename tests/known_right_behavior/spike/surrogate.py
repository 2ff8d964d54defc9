"""A Function whose backward is not the derivative of its forward, and is not meant to be."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

GREY = ("functorch", "export")


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        smooth = x.sigmoid()
        grad_x: Tensor = grad_output * smooth * (1 - smooth)
        return grad_x


def spike(x: Tensor) -> Tensor:
    """Return 1 where x > 0, else 0, with the gradient of the sigmoid."""
    y: Tensor = _Spike.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=spike)
