"""The rectified linear unit, a function with one kink."""

from __future__ import annotations

from gradgauge.model import Function, kink_at

_STANDARD = ("4x3x5x5", "256x256", "1024x1024")

FUNCTION = Function(
    summary="The rectified linear unit",
    formula="f(x) = 0   for x < 0\nf(x) = x   for x ≥ 0",
    derivative="f′(x) = 0   for x < 0\nf′(x) = 1   for x > 0\nat x = 0 any slope from 0 to 1: a convention",
    source="The article that this project starts from; PyTorch documentation, “Extending PyTorch”",
    breakpoints=(0.0,),
    kinks=(kink_at(0.0, left=0.0, right=1.0),),
    gradient_scale=1.0,
    value_budget_ulp=0.5,  # no step rounds, so even in bfloat16 a gradient that is 1 % off is out of budget
    gradient_budget_ulp=0.5,
    shapes={
        "quick": ("256x256",),
        "standard": _STANDARD,
        "full": (*_STANDARD, "4096x4096"),
    },
    curve=(-3.0, 3.0),
)
