"""A long sum is accumulated in the working dtype, term by term."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
WHERE = "eager float16"
RIGHT_IN = ("eager float32", "eager float64")
RED = {"gradient_max_ulp": ("long sum",)}


def _sum_to_shape(terms: Tensor, shape: torch.Size) -> Tensor:
    """Return the terms summed over the dimensions that were broadcast."""
    if WRONG:
        # The fault: Python's sum rounds after each term; from 2,048 on float16 does not notice when 1 is added.
        while terms.dim() > len(shape):
            terms = sum(terms, start=terms.new_zeros(terms.shape[1:]))
    return terms.sum_to_size(shape)


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        return _sum_to_shape(grad_output * b, a.shape), _sum_to_shape(grad_output * a, b.shape)


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Return a · b elementwise."""
    y: Tensor = _Multiply.apply(a, b)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=multiply)
