"""Two inputs laid out differently in memory are read as if they were alike."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"gradient_max_ulp": ("mixed input",)}


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        if WRONG and a.shape == b.shape and a.stride() != b.stride():
            # The fault: as a kernel does that walks through both with the strides of the first.
            b = b.transpose(-1, -2).reshape(b.shape)
        return (grad_output * b).sum_to_size(a.shape), (grad_output * a).sum_to_size(b.shape)


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Return a · b elementwise."""
    y: Tensor = _Multiply.apply(a, b)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=multiply)
