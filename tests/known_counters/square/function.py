"""x² + x, whose techniques count more than they need."""

from __future__ import annotations

from gradgauge.model import Function

FUNCTION = Function(
    summary="x² + x",
    formula="f(x) = x² + x",
    derivative="f′(x) = 2x + 1",
    source="here",
    shapes={"quick": ("64x64",), "standard": ("64x64", "32x48"), "full": ("64x64",)},
)
