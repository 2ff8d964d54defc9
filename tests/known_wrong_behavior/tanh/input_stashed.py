"""The input is stashed on ctx, where nobody notices that it was changed before the backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("in_place_change",)
GREY = ("functorch",)
SAYS = "the input changes the gradient silently"


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        if WRONG:
            ctx.x = x  # the fault
        else:
            ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        x = ctx.x if WRONG else ctx.saved_tensors[0]
        grad_x: Tensor = grad_output * (1 - x.tanh() ** 2)
        return grad_x


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=tanh)
