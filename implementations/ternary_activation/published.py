"""The article's torch.autograd.Function as printed: right forward, wrong backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation


class _TernaryActivation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        left, right = x < -5, x >= 5
        y = 0.1 * x
        y[left] = -torch.sigmoid(-x[left] - 5)
        y[right] = torch.sigmoid(x[right] - 5)
        return y

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        left, right = x < -5, x >= 5
        grad_x = 0.1 * grad_output
        # The two faults are kept on purpose: the minus sign below, and exp, which overflows in both tails.
        exp_left = torch.exp(-x[left] - 5)
        grad_x[left] = grad_output[left] * (-exp_left / (1 + exp_left) ** 2)
        exp_right = torch.exp(x[right] - 5)
        grad_x[right] = grad_output[right] * (exp_right / (1 + exp_right) ** 2)
        return grad_x


def ternary_activation(x: Tensor) -> Tensor:
    """Return the staircase: −σ(−x − 5) below −5, 0.1 · x between −5 and 5, σ(x − 5) from 5 on.

    Kept to show what the checks find; for use, take another technique.

    Shapes: x is (*), floating; the result keeps its shape, dtype and device.
    VJP: grad_x = grad_output · −exp(−x − 5) / (1 + exp(−x − 5))² below −5, where the true slope is positive;
        grad_output · 0.1 between; grad_output · exp(x − 5) / (1 + exp(x − 5))² from 5 on. Saves x.
    Edges: x = −5 has gradient 0.1 and x = 5 has 0.25, each that of its branch; far out exp overflows and the
        gradient is inf / inf = NaN (from |x| = 93.8 in float32); ±inf give ±1, NaN stays NaN; none raise.
    Source: the article that this project starts from.
    """
    y: Tensor = _TernaryActivation.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(
    call=ternary_activation,
    convention={"x = -5": 0.1, "x = 5": 0.25},
    expected_fail={
        "gradient_max_ulp": "The published backward has the wrong sign on all of x < −5.",
        "gradcheck": "The published backward has the wrong sign on all of x < −5.",
        "double_backward": "It differentiates that backward, and so has the wrong sign there, too.",
        "gradient_nonfinite": "Far out exp(|x| − 5) overflows, and inf / inf² is NaN where the true gradient is tiny.",
    },
)
