"""The hand-written jvp pushes the tangent of the first input alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("jvp",)
GREY = ("fullgraph",)
SAYS = "the tangent is"


class _Gate(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, b: Tensor) -> Tensor:
        return a * b.tanh()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        needs_a, needs_b = ctx.needs_input_grad
        grad_a = grad_output * b.tanh() if needs_a else None
        grad_b = (grad_output * a * (1 - b.tanh() ** 2)).sum_to_size(b.shape) if needs_b else None
        return grad_a, grad_b

    @staticmethod
    def jvp(ctx: Any, tangent_a: Tensor, tangent_b: Tensor) -> Tensor:
        a, b = ctx.saved_tensors
        pushed = tangent_a * b.tanh()
        tangent_y: Tensor = pushed if WRONG else pushed + a * (1 - b.tanh() ** 2) * tangent_b  # the fault
        return tangent_y


def gate(a: Tensor, b: Tensor) -> Tensor:
    """Return a · tanh(b) elementwise, broadcasting."""
    y: Tensor = _Gate.apply(a, b)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=gate)
