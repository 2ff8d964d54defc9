"""The result has one dimension too many."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"value_max_ulp": ("random",)}
SAYS = "output 0 has shape (1, 48, 48), the reference has (48, 48)"


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise, with a leading dimension of size 1."""
    y = x.clamp(min=0)
    return y.unsqueeze(0) if WRONG else y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
