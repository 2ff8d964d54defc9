"""The second derivative is zero: the slope was computed in the forward, outside the graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
WHERE = "eager float64"
RIGHT_IN = ("eager float32",)
RED = {"gradgradcheck": ("smooth",)}


def _slope(x: Tensor) -> Tensor:
    sigmoid = torch.sigmoid(5 - x.abs())  # the σ that is small in the tails
    return torch.where((x >= -5) & (x < 5), 0.1, sigmoid * (1 - sigmoid))


class _TernaryActivation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        # The fault: autograd follows what a backward computes from inputs, not what a forward has left.
        ctx.save_for_backward(_slope(x) if WRONG else x)
        return torch.where(x < -5, -torch.sigmoid(-x - 5), torch.where(x < 5, 0.1 * x, torch.sigmoid(x - 5)))

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        if WRONG:
            (slope,) = ctx.saved_tensors
        else:
            (x,) = ctx.saved_tensors
            slope = _slope(x)
        grad_x: Tensor = grad_output * slope
        return grad_x


def ternary_activation(x: Tensor) -> Tensor:
    """Return the staircase: −σ(−x − 5) below −5, 0.1 · x between −5 and 5, σ(x − 5) from 5 on."""
    y: Tensor = _TernaryActivation.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=ternary_activation, convention={"x = -5": 0.1, "x = 5": 0.25})
