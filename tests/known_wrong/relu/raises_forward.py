"""The forward raises."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"value_max_ulp": ("random",)}
SAYS = "this forward always raises"


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    if WRONG:
        raise RuntimeError(f"this forward always raises, also for shape {tuple(x.shape)}")
    return x.clamp(min=0)


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
