"""Differentiated by autograd."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation


def gate(a: Tensor, b: Tensor) -> Tensor:
    """Return a · tanh(b) elementwise, broadcasting."""
    return a * b.tanh()


IMPLEMENTATION = Implementation(call=gate)
