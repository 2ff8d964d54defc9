"""Both gradients are computed, whichever is asked for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("needs_input_grad",)
GREY = ("functorch",)
SAYS = "asked for the gradient of input 0 alone"


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a * b.tanh()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        needs_a, needs_b = (True, True) if WRONG else ctx.needs_input_grad  # the fault
        grad_a = grad_output * b.tanh() if needs_a else None
        grad_b = (grad_output * a * (1 - b.tanh() ** 2)).sum_to_size(b.shape) if needs_b else None
        return grad_a, grad_b


def gate(a: Tensor, b: Tensor) -> Tensor:
    """Return a · tanh(b) elementwise, broadcasting."""
    y: Tensor = _Gate.apply(a, b)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=gate)
