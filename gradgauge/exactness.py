"""Is the oracle right? The reference in float64 beside arithmetic of 50 digits, on random points and all edges."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import mpmath  # type: ignore[import-untyped]  # it ships no types
import torch
from torch import Tensor

from gradgauge.agreement import TAIL
from gradgauge.cases import Case
from gradgauge.catalog import FunctionEntry
from gradgauge.inputs import edges_of, generator_for, random_inputs
from gradgauge.oracle import Truth, tell_truth
from gradgauge.ulps import ulp

DIGITS = 50
POINTS = 400
MOST_ULP = 4.0
"""What float64 may be off by; the oracle's own error is then nothing beside that of the narrower dtypes."""


@dataclass(frozen=True)
class Exactness:
    """How far the reference is from the exact result: of the value, or of the gradient of one input.

    max_ulp: in ulps of float64 at the value, or at the gradient's scale. nonfinite: how many differ in finiteness.
    worst: the place of the largest error. beyond: where the gradient is off by more than 4 ulp of itself, in words.
    """

    points: int
    max_ulp: float
    nonfinite: int
    worst: str
    beyond: str = ""


def compare_with_exact(
    case: Case, entry: FunctionEntry, exact: Callable[..., tuple[Any, tuple[Any, ...]]], seed: int
) -> tuple[Exactness, ...]:
    """Return the exactness of the reference's value, then of the gradient of each input."""
    truth = _truth(replace(case, dtype="float64", shape=str(POINTS), layout="contiguous"), entry, seed)
    points = list(zip(*(tensor.tolist() for tensor in truth.inputs), strict=True))
    with mpmath.workdps(DIGITS):
        found = [exact(*map(mpmath.mpf, point)) for point in points]
        value = _compare(points, truth.values[0], [each[0] for each in found], truth.values[0].abs())
        gradients = []
        for index in range(len(truth.inputs)):
            right = [each[1][index] for each in found]
            skipped = truth.lowest[index] != truth.highest[index]  # at a kink the slope is a convention
            skipped |= ~truth.compared[index]
            scale = torch.maximum(truth.gradients[index].abs(), truth.slopes_scale[index])
            gradients.append(_compare(points, truth.gradients[index], right, scale, skipped))
    return value, *gradients


def _truth(case: Case, entry: FunctionEntry, seed: int) -> Truth:
    random = random_inputs(case, entry, int(torch.randint(2**31, (), generator=generator_for(case, seed, "exact"))))
    edges = edges_of(entry.function, torch.float64).values
    combinations = torch.cartesian_prod(*[edges] * len(random)).reshape(-1, len(random))
    inputs = tuple(torch.cat(pair) for pair in zip(combinations.unbind(1), random, strict=True))
    return tell_truth(entry, inputs, lambda outputs: tuple(torch.ones_like(output) for output in outputs))


def _compare(
    points: Sequence[tuple[float, ...]], got: Tensor, right: Sequence[Any], scale: Tensor, skipped: Tensor | None = None
) -> Exactness:
    spacing, own = ulp(scale, torch.float64).tolist(), ulp(got, torch.float64).tolist()
    skip = skipped.tolist() if skipped is not None else [False] * len(points)
    largest, place, lost, beyond, counted = 0.0, "", 0, [], 0
    for index, (point, ours, true) in enumerate(zip(points, got.tolist(), right, strict=True)):
        if skip[index]:
            continue
        counted += 1
        where = f"at ({', '.join(f'{each:.6g}' for each in point)}): {ours:.17g} where {mpmath.nstr(true, 20)} is right"
        if not (math.isfinite(ours) and math.isfinite(float(true))):
            if not (ours == float(true) or (math.isnan(ours) and mpmath.isnan(true))):
                lost, place = lost + 1, place or where
            continue
        error = abs(mpmath.mpf(ours) - true)
        ulps = float(error / spacing[index])
        if not ulps <= largest:
            largest, place = ulps, where
        if not float(error / own[index]) <= MOST_ULP and abs(ours) < TAIL * float(scale[index]):
            beyond.append((point, float(error / own[index])))
    return Exactness(counted, largest, lost, place, _tail(beyond))


def _tail(beyond: list[tuple[tuple[float, ...], float]]) -> str:
    if not beyond:
        return ""
    worst = max(beyond, key=lambda each: each[1])
    sizes = [max(abs(each) for each in point) for point, _ in beyond]
    return (
        f"in the tail, on {len(beyond)} points with |input| from {min(sizes):.4g} to {max(sizes):.4g}, it is off by "
        f"more than {MOST_ULP:g} ulp of itself, at most {worst[1]:.4g}"
    )
