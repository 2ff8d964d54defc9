"""A smooth staircase that pushes weights to −1, 0 and 1: three pieces, two kinks, long tails."""

from __future__ import annotations

from gradgauge.model import Function, kink_at

_STANDARD = ("64x64", "256x256", "1024x1024")

FUNCTION = Function(
    summary="A smooth staircase from −1 over 0 to 1",
    formula=(
        "f(x) = −σ(−x − 5)   for x < −5\n"
        "f(x) = 0.1 · x      for −5 ≤ x < 5\n"
        "f(x) = σ(x − 5)     for x ≥ 5\n"
        "σ(z) = 1 / (1 + exp(−z))"
    ),
    derivative=(
        "f′(x) = σ(x + 5) · σ(−x − 5)   for x < −5\n"
        "f′(x) = 0.1                    for −5 < x < 5\n"
        "f′(x) = σ(x − 5) · σ(5 − x)    for x > 5\n"
        "at x = ±5 any slope from 0.1 to 0.25: a convention"
    ),
    source="The article that this project starts from",
    breakpoints=(-5.0, 5.0),
    # ±93 and ±95 lie on the two sides of the place where exp(|x| − 5) overflows in float32 (93.7).
    edges=tuple(sign * size for size in (6.0, 30.0, 45.0, 93.0, 95.0, 100.0, 1e4) for sign in (-1.0, 1.0)),
    kinks=(kink_at(-5.0, left=0.25, right=0.1), kink_at(5.0, left=0.1, right=0.25)),
    gradient_scale=0.25,
    # PyTorch's σ is off by up to 1.5 ulp near 1; autograd's (1 − y) · y makes that 3 ulp of 0.25, and a grad_output
    # just below a power of two, where an ulp is relatively small, 6. Counted: 5.98 over two million points.
    gradient_budget_ulp=8.0,
    shapes={
        "quick": ("256x256",),
        "standard": _STANDARD,
        "full": (*_STANDARD, "4096x4096"),
    },
    curve=(-12.0, 12.0),
)
