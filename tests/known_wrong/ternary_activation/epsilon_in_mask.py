"""The mask has a tolerance, which takes a few numbers left of −5 into the wrong piece."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"gradient_max_ulp": ("kinks",)}


def _tail_slope(x: Tensor) -> Tensor:
    """Return σ′(|x| − 5), with the σ that is small in the tails."""
    sigmoid = torch.sigmoid(5 - x.abs())
    return sigmoid * (1 - sigmoid)


class _TernaryActivation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x < -5, -torch.sigmoid(-x - 5), torch.where(x < 5, 0.1 * x, torch.sigmoid(x - 5)))

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        margin = 1e-6 if WRONG else 0.0  # the fault: two units in the last place of float32 at 5
        is_middle = (x >= -5 - margin) & (x < 5)
        return grad_output * torch.where(is_middle, 0.1, _tail_slope(x))


def ternary_activation(x: Tensor) -> Tensor:
    """Return the staircase: −σ(−x − 5) below −5, 0.1 · x between −5 and 5, σ(x − 5) from 5 on."""
    y: Tensor = _TernaryActivation.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=ternary_activation, convention={"x = -5": 0.1, "x = 5": 0.25})
