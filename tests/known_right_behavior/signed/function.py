"""A hyperbolic tangent and its sign: two outputs, one of them without a gradient."""

from __future__ import annotations

from gradgauge.model import Function

FUNCTION = Function(
    summary="A hyperbolic tangent and its sign",
    formula="f(x) = (tanh(x), [x > 0])",
    derivative="f′(x) = (1 − tanh(x)², 0)",
    source="these tests",
    breakpoints=(0.0,),
    shapes={"quick": ("6x5",), "standard": ("6x5",), "full": ("6x5",)},
)
