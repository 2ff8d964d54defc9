"""At x = −5 two masks overlap, and the gradient is the sum of both pieces' slopes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"gradient_max_ulp": ("kinks",), "kink_slope": ("x = -5",)}
SAYS = "lies outside the one-sided derivatives 0.1 and 0.25"


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
        is_left = (x <= -5) if WRONG else (x < -5)  # the fault
        is_middle = (x >= -5) & (x < 5)
        is_right = x >= 5
        slope = _tail_slope(x)
        grad_x: Tensor = grad_output * (is_left * slope + is_middle * torch.full_like(x, 0.1) + is_right * slope)
        return grad_x


def ternary_activation(x: Tensor) -> Tensor:
    """Return the staircase: −σ(−x − 5) below −5, 0.1 · x between −5 and 5, σ(x − 5) from 5 on."""
    y: Tensor = _TernaryActivation.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


# A convention may be any slope between the one-sided derivatives; to declare another one makes it no more right.
IMPLEMENTATION = Implementation(call=ternary_activation, convention={"x = -5": 0.35 if WRONG else 0.1, "x = 5": 0.25})
