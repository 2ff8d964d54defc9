"""Value and gradient are zero everywhere, and connected: a stub that nobody filled in."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {
    "value_max_ulp": (
        "random",
        "far",
        "kinks",
        "edges",
        "interleaved",
        "every input layout",
        "0-d",
        "ranks",
        "no gradient",
    ),
    "value_nonfinite": ("nonfinite",),
    "gradient_max_ulp": ("every element", "every call"),
    "kink_slope": ("x = 0",),
}


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.zeros_like(x) if WRONG else x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.zeros_like(x) if WRONG else torch.where(x < 0, 0, grad_output)


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    y: Tensor = _Relu.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
