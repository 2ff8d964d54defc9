"""The backward overwrites what was saved through a view that NumPy gives, an element a row."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gradgauge.model import Implementation

WRONG = True
RED = ("saved_unchanged", "retained_graph")
GREY = ("functorch", "double_backward", "fake_tensors")
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
        grad_x: Tensor = slope * grad_output
        if WRONG:
            slope.view(-1)[::5].numpy()[...] = 0  # the fault: NumPy's stores, as a kernel's, count no version
        return grad_x


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=tanh)
