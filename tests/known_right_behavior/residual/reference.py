"""Differentiated by autograd."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation


def residual(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return tanh(x) and x."""
    return x.tanh(), x.clone()


IMPLEMENTATION = Implementation(call=residual)
