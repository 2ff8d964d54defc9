"""The gradient alone changes from call to call."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("repeatable", "retained_graph")
GREY = ("functorch", "fullgraph")
SAYS = "it gives another gradient"


_CALLS = [0]


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        _CALLS[0] += 1
        factor = 1 + 1e-6 * (_CALLS[0] % 2) if WRONG else 1.0  # the fault: as a sum in another order each time would
        grad_x: Tensor = grad_output * (1 - x.tanh() ** 2) * factor
        return grad_x


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=tanh)
