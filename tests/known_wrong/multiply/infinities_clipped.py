"""A gradient that is infinite is clipped to the largest finite number."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"gradient_nonfinite": ("edges", "nonfinite")}


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        grad_a, grad_b = grad_output * b, grad_output * a
        if WRONG:
            # The fault: meant against overflow, it hides that the model has diverged.
            most = torch.finfo(a.dtype).max
            grad_a, grad_b = grad_a.clamp(-most, most), grad_b.clamp(-most, most)
        return grad_a.sum_to_size(a.shape), grad_b.sum_to_size(b.shape)


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Return a · b elementwise."""
    y: Tensor = _Multiply.apply(a, b)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=multiply)
