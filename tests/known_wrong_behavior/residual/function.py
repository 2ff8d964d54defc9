"""A hyperbolic tangent and the input beside it: two outputs."""

from __future__ import annotations

from gradgauge.model import Function

FUNCTION = Function(
    summary="A hyperbolic tangent and the input beside it",
    formula="f(x) = (tanh(x), x)",
    derivative="f′(x) = (1 − tanh(x)², 1)",
    source="these tests",
    shapes={"quick": ("6x5",), "standard": ("6x5",), "full": ("6x5",)},
)
