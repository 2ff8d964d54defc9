"""Differentiated by autograd, and made of another formula than the reference."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation

GREY = ()


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    return 2 * (2 * x).sigmoid() - 1


IMPLEMENTATION = Implementation(call=tanh)
