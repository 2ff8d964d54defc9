"""A step with a surrogate gradient: forward it jumps, backward it is a steep sigmoid."""

from __future__ import annotations

from gradgauge.model import Function

FUNCTION = Function(
    summary="A step with a surrogate gradient",
    formula="f(x) = 1 for x > 0, else 0",
    derivative="f′(x) := σ′(x) = σ(x) · (1 − σ(x))",
    source="these tests",
    breakpoints=(0.0,),
    shapes={"quick": ("6x5",), "standard": ("6x5",), "full": ("6x5",)},
)
