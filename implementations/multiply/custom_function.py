"""A torch.autograd.Function that saves both inputs and returns both gradients, whoever asks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation


class _Multiply(torch.autograd.Function):
    # A separate setup_context would admit the transforms of torch.func (vmap, jacrev); it costs 13 µs more a call.
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        # Broadcasting reads an element many times, so its gradient is the sum over all of those reads.
        return (grad_output * b).sum_to_size(a.shape), (grad_output * a).sum_to_size(b.shape)


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Return a · b elementwise.

    Shapes: a is (*a), b is (*b), floating; the result has their broadcast shape.
    VJP: grad_a = grad_output · b, grad_b = grad_output · a, each summed to its input's shape. Saves a and b, and
        computes both gradients even when only one is asked for.
    Edges: IEEE arithmetic: 0 · inf gives NaN; none raise. Double backward works: only inputs are saved.
    Source: the article that this project starts from; PyTorch documentation, “Extending PyTorch”.
    """
    product: Tensor = _Multiply.apply(a, b)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return product


IMPLEMENTATION = Implementation(
    call=multiply,
    expected_fail={"needs_input_grad": "computes both gradients, whoever asks, as the article's does"},
)
