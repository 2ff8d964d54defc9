"""Far out exp(|x| − 5) overflows, and the gradient is inf / inf."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"gradient_nonfinite": ("far", "edges", "nonfinite", "zero cotangent")}
SAYS = "NaN for x ≤ −95 and x ≥ 95"


def _tail_slope(x: Tensor) -> Tensor:
    """Return σ′(|x| − 5) = e / (1 + e)²."""
    # The fault: σ′ is even, and of the two ways to write it only the one with e = exp(5 − |x|) stays finite.
    e = torch.exp(x.abs() - 5 if WRONG else 5 - x.abs())
    return e / (1 + e) ** 2


class _TernaryActivation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x < -5, -torch.sigmoid(-x - 5), torch.where(x < 5, 0.1 * x, torch.sigmoid(x - 5)))

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad_output * torch.where((x >= -5) & (x < 5), 0.1, _tail_slope(x))


def ternary_activation(x: Tensor) -> Tensor:
    """Return the staircase: −σ(−x − 5) below −5, 0.1 · x between −5 and 5, σ(x − 5) from 5 on."""
    y: Tensor = _TernaryActivation.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=ternary_activation, convention={"x = -5": 0.1, "x = 5": 0.25})
