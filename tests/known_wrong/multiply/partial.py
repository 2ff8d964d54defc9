"""Each input is saved where its own gradient is asked for, in place of the other's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"gradient_max_ulp": ("partial",)}


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        needs_grad_a, needs_grad_b = ctx.needs_input_grad
        if WRONG:
            # The fault: shows only where one of the two is asked for, and then as a gradient of None, which means zero.
            needs_grad_a, needs_grad_b = needs_grad_b, needs_grad_a
        ctx.save_for_backward(a if needs_grad_b else None, b if needs_grad_a else None)
        ctx.shape_a, ctx.shape_b = a.shape, b.shape
        return a * b

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        grad_a = None if b is None else (grad_output * b).sum_to_size(ctx.shape_a)
        grad_b = None if a is None else (grad_output * a).sum_to_size(ctx.shape_b)
        return grad_a, grad_b


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Return a · b elementwise."""
    y: Tensor = _Multiply.apply(a, b)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=multiply)
