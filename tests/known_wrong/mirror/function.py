"""A number and its negative: two outputs, either of which may stay without a cotangent."""

from __future__ import annotations

from gradgauge.model import Function

FUNCTION = Function(
    summary="A number and its negative",
    formula="f(x) = (x, −x)",
    derivative="f′(x) = (1, −1)",
    source="these tests",
)
