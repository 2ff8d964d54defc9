"""The gradient of one input is computed from data alone: the mixed second derivative is lost."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("double_backward",)
GREY = ("functorch",)
SAYS = "the second derivative by input 1"


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a * b.tanh()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        grad_a = grad_b = None
        if ctx.needs_input_grad[0]:
            # The fault: meant to save memory.
            grad_a = grad_output * (b.detach() if WRONG else b).tanh()
        if ctx.needs_input_grad[1]:
            grad_b = (grad_output * a * (1 - b.tanh() ** 2)).sum_to_size(b.shape)
        return grad_a, grad_b


def gate(a: Tensor, b: Tensor) -> Tensor:
    """Return a · tanh(b) elementwise, broadcasting."""
    y: Tensor = _Gate.apply(a, b)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=gate)
