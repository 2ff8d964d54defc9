"""The hand-written vmap rule counts on both inputs being mapped."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("vmap",)
GREY = ("jvp", "vmap_grad")
SAYS = "under vmap over input 0"


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(a: Tensor, b: Tensor) -> Tensor:
        return a * b.tanh()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        needs_a, needs_b = ctx.needs_input_grad
        grad_a = grad_output * b.tanh() if needs_a else None
        grad_b = (grad_output * a * (1 - b.tanh() ** 2)).sum_to_size(b.shape) if needs_b else None
        return grad_a, grad_b

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, int | None], a: Tensor, b: Tensor) -> tuple[Tensor, int]:
        rows = []
        for index in range(info.batch_size):
            # The fault: an input that is not mapped is taken apart as well.
            one = a.select(in_dims[0] or 0, index) if WRONG or in_dims[0] is not None else a
            other = b.select(in_dims[1] or 0, index) if WRONG or in_dims[1] is not None else b
            y: Tensor = _Gate.apply(one, other)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
            rows.append(y)
        return torch.stack(rows), 0


def gate(a: Tensor, b: Tensor) -> Tensor:
    """Return a · tanh(b) elementwise, broadcasting."""
    y: Tensor = _Gate.apply(a, b)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=gate)
