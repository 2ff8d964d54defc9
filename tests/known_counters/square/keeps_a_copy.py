"""Keeps x², which it needs for the value alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

PLANTED = True
OWN = "saved_extra_bytes"
COPY = 4 * 64 * 64
MOVES = {
    "eager forward saved_bytes": COPY,
    "eager forward saved_extra_bytes": COPY,
    "eager forward kept_bytes intermediate": COPY,
    # The copy is there still while the backward runs, which the forward alone is not held up by. Compiled code keeps
    # only what its backward reads.
    "eager forward_backward peak_bytes": COPY,
}


class _Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        square = x * x
        ctx.save_for_backward(x, square if PLANTED else None)
        return square + x

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        x, _ = ctx.saved_tensors
        slope: Tensor = x + x + 1
        return grad_output * slope


def call(x: Tensor) -> Tensor:
    y: Tensor = _Square.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call)
