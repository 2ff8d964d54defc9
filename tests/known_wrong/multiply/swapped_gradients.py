"""The two gradients stand in each other's place."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {
    "gradient_max_ulp": ("random", "far", "edges", "every call", "broadcast", "long sum", "partial", "mixed input"),
    "gradient_nonfinite": ("edges", "nonfinite", "zero cotangent"),
}


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        if WRONG:
            return (grad_output * a).sum_to_size(a.shape), (grad_output * b).sum_to_size(b.shape)
        return (grad_output * b).sum_to_size(a.shape), (grad_output * a).sum_to_size(b.shape)


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Return a · b elementwise."""
    y: Tensor = _Multiply.apply(a, b)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=multiply)
