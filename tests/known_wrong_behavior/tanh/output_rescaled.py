"""After the Function has saved its output, the wrapper rescales that in place, past the version counter."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("double_backward", "saved_unchanged")
GREY = ("functorch", "export")
SAYS = "the forward writes into its saved tensor 0, past its version counter"


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.tanh() * (2 if WRONG else 1)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        y = y / 2 if WRONG else y
        grad_x: Tensor = grad_output * (1 - y * y)
        return grad_x


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    if WRONG:
        y.data.mul_(0.5)  # the fault: an in-place store that the version counter does not see
    return y


IMPLEMENTATION = Implementation(call=tanh)
