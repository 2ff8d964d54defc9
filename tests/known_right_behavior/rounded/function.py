"""The nearest integer with the gradient of the identity: a straight-through estimator."""

from __future__ import annotations

from gradgauge.model import Function

FUNCTION = Function(
    summary="The nearest integer, straight through",
    formula="f(x) = round(x)",
    derivative="f′(x) := 1",
    source="these tests",
    shapes={"quick": ("6x5",), "standard": ("6x5",), "full": ("6x5",)},
)
