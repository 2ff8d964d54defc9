"""The gradient of a broadcast input is not summed to its shape; autograd does it without a word."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"gradient_mended": ("broadcast", "long sum")}
SAYS = "gradient 1 came with shape (4, 3, 5), its input has (5,)"


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        grad_a, grad_b = grad_output * b, grad_output * a
        return (grad_a, grad_b) if WRONG else (grad_a.sum_to_size(a.shape), grad_b.sum_to_size(b.shape))


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Return a · b elementwise."""
    y: Tensor = _Multiply.apply(a, b)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=multiply)
