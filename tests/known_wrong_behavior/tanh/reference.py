"""Differentiated by autograd."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
