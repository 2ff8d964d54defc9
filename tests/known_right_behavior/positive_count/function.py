"""How many elements are positive: an output without a gradient."""

from __future__ import annotations

from gradgauge.model import Function

FUNCTION = Function(
    summary="How many elements of each row are positive",
    formula="f(x)_i = Σ_j [x_ij > 0]",
    derivative="f′(x) = 0",
    source="these tests",
    breakpoints=(0.0,),
    shapes={"quick": ("6x5",), "standard": ("6x5",), "full": ("6x5",)},
)
