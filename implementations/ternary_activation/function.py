"""A smooth staircase that pushes weights to −1, 0 and 1: three pieces, two kinks, long tails."""

from __future__ import annotations

from typing import Any

import mpmath  # type: ignore[import-untyped]  # it ships no types; torch brings it along, by way of sympy
import torch
from torch import Tensor

from gradgauge.model import Function, kink_at


def as_written(x: Tensor) -> Tensor:
    """Return the formula below, word for word: autograd's σ′ = (1 − y) · y cancels in its tails."""
    outer = torch.where(x < 0, -torch.sigmoid(-x - 5), torch.sigmoid(x - 5))
    return torch.where((x >= -5) & (x < 5), x * 0.1, outer)


def exact(x: Any) -> tuple[Any, tuple[Any]]:
    """Return value and slope of one number in mpmath's precision."""
    if -5 <= x < 5:
        return x / 10, (mpmath.mpf("0.1"),)
    tail = mpmath.exp(5 - abs(x))
    return mpmath.sign(x) / (1 + tail), (tail / (1 + tail) ** 2,)


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
    formulations=(as_written,),
    exact=exact,
    shapes={
        "quick": ("256x256",),
        "standard": _STANDARD,
        "full": (*_STANDARD, "4096x4096"),
    },
    curve=(-12.0, 12.0),
)
