"""The forward raises."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation


def relu(x: Tensor) -> Tensor:
    """Raise RuntimeError."""
    raise RuntimeError(f"this forward always raises, also for shape {tuple(x.shape)}")


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
