"""Far to the left the gradient is NaN, from the branch that was not taken."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"gradient_nonfinite": ("far", "edges", "nonfinite", "zero cotangent")}


def ternary_activation(x: Tensor) -> Tensor:
    """Return the staircase: −σ(−x − 5) below −5, 0.1 · x between −5 and 5, σ(x − 5) from 5 on."""
    # torch.where sends 0 to the branch that it does not take, and 0 · inf is NaN where exp(5 − x) has overflowed.
    right_x = x if WRONG else torch.where(x < 5, 5, x)  # the fault: nothing keeps such x from this branch
    right = 1 / (1 + torch.exp(5 - right_x))
    left = torch.sigmoid(x + 5) - 1
    return torch.where(x < -5, left, torch.where(x < 5, 0.1 * x, right))


IMPLEMENTATION = Implementation(call=ternary_activation, convention={"x = -5": 0.1, "x = 5": 0.25})
