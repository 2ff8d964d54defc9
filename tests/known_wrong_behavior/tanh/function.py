"""The hyperbolic tangent: smooth, curved, and one whose slope can be had from its value."""

from __future__ import annotations

from gradgauge.model import Function

FUNCTION = Function(
    summary="The hyperbolic tangent",
    formula="f(x) = tanh(x)",
    derivative="f′(x) = 1 − tanh(x)²",
    source="these tests",
    shapes={"quick": ("6x5",), "standard": ("6x5",), "full": ("6x5",)},
)
