"""A product with a hyperbolic tangent: two inputs, the second of which is broadcast."""

from __future__ import annotations

from gradgauge.model import Function

FUNCTION = Function(
    summary="A product with a hyperbolic tangent",
    formula="f(a, b) = a · tanh(b)",
    derivative="∂f/∂a = tanh(b)\n∂f/∂b = a · (1 − tanh(b)²), summed over the dimensions that were broadcast",
    source="these tests",
    inputs=("a", "b"),
    shapes={"quick": ("6x5,5",), "standard": ("6x5,5",), "full": ("6x5,5",)},
)
