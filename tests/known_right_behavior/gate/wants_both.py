"""It refuses an input that asks for no gradient while the other does."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation

GREY = ("needs_input_grad", "vmap")


def gate(a: Tensor, b: Tensor) -> Tensor:
    """Return a · tanh(b) elementwise, broadcasting."""
    if a.requires_grad != b.requires_grad:
        raise ValueError("gate: both inputs ask for a gradient, or none does")
    return a * b.tanh()


IMPLEMENTATION = Implementation(call=gate)
