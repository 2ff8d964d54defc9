"""The output is stashed on ctx: a cycle that holds both, and no version counter that is looked at."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("in_place_change", "released")
GREY = ("functorch",)
SAYS = "until Python's garbage collector runs"


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.tanh()
        if WRONG:
            ctx.y = y  # the fault
        else:
            ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        y = ctx.y if WRONG else ctx.saved_tensors[0]
        grad_x: Tensor = grad_output * (1 - y * y)
        return grad_x


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=tanh)
