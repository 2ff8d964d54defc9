"""A torch.autograd.Function that saves and computes only what the gradients asked for need."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        needs_grad_a, needs_grad_b = ctx.needs_input_grad
        # The gradient of each input needs the other one, and of its own input only the shape.
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
    """Return a · b elementwise.

    Shapes: a is (*a), b is (*b), floating; the result has their broadcast shape.
    VJP: grad_a = grad_output · b, grad_b = grad_output · a, each summed to its input's shape. Saves b only where grad_a
        is needed, a only where grad_b is, and computes no gradient that nobody asked for.
    Edges: IEEE arithmetic: 0 · inf gives NaN; none raise. Double backward works: only inputs are saved.
    Source: PyTorch documentation, “Extending PyTorch” (`ctx.needs_input_grad`).
    """
    product: Tensor = _Multiply.apply(a, b)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return product


IMPLEMENTATION = Implementation(call=multiply)
