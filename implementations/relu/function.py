"""The rectified linear unit, a function with one kink."""

from __future__ import annotations

from typing import Any

import mpmath  # type: ignore[import-untyped]  # it ships no types; torch brings it along, by way of sympy

from gradgauge.model import Function, kink_at


def exact(x: Any) -> tuple[Any, tuple[Any]]:
    """Return value and slope of one number in mpmath's precision."""
    if mpmath.isnan(x):
        return x, (x,)
    return (x, (mpmath.mpf(1),)) if x >= 0 else (mpmath.mpf(0), (mpmath.mpf(0),))


_STANDARD = ("4x3x5x5", "256x256", "1024x1024")

FUNCTION = Function(
    summary="The rectified linear unit",
    formula="f(x) = 0   for x < 0\nf(x) = x   for x ≥ 0",
    derivative="f′(x) = 0   for x < 0\nf′(x) = 1   for x > 0\nat x = 0 any slope from 0 to 1: a convention",
    source="The article that this project starts from; PyTorch documentation, “Extending PyTorch”",
    breakpoints=(0.0,),
    kinks=(kink_at(0.0, left=0.0, right=1.0),),
    gradient_scale=1.0,
    exact=exact,
    either_zero=True,  # IEEE 754 leaves the sign of max(−0, 0) open
    shapes={
        "quick": ("256x256",),
        "standard": _STANDARD,
        "full": (*_STANDARD, "4096x4096"),
    },
    curve=(-3.0, 3.0),
)
