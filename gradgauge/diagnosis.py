"""The nature of a fault of a function of one input, in words: what is wrong, and over which inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

CLOSE = 0.05
"""So near, relatively, two numbers must lie for one to be taken for the other, or for a multiple of it."""
LEAST_FACTOR = 5e-4
MOST_RANGES = 3
MOST_POINTS = 2


def diagnose(x: Tensor, got: Tensor, right: Tensor, bad: Tensor, joints: Sequence[float]) -> str:
    """Return what the bad elements have in common: `the sign is wrong for x < −5`.

    All tensors are flat and of one length; bad: which elements are wrong, one at least. Each nature is told apart, the
    commonest first; an element that shares it belongs to it, however small its error.
    """
    natures: dict[str, Tensor] = {}
    rest = bad.clone()
    for name, mask in (
        ("NaN", got.isnan() & ~right.isnan()),
        ("infinite", got.isinf() & ~right.isinf()),
        ("finite where it should not be", got.isfinite() & ~right.isfinite()),
        ("zero", (got == 0) & (right != 0)),
        ("the sign is wrong", (got.sign() == -right.sign()) & (got != 0)),
    ):
        if (mask & rest).any():
            natures[name] = mask
            rest = rest & ~mask
    if rest.any():
        natures[_factor(got[rest], right[rest])] = rest
    ordered = sorted(natures.items(), key=lambda item: -int(item[1].sum()))
    return ", ".join(f"{name} for {ranges(x, mask, bad, joints)}" for name, mask in ordered)


def _factor(got: Tensor, right: Tensor) -> str:
    """Return by what the elements are too large, where it is the same for nearly all; else that they are off."""
    factors = got / right
    factors = factors[factors.isfinite()]
    if not len(factors):
        return "off"
    middle = float(factors.median())
    is_common = ((factors / middle - 1).abs() <= CLOSE * abs(middle - 1)).double().mean() > 0.9
    return f"{middle:.4g} times what is right" if is_common and abs(middle - 1) >= LEAST_FACTOR else "off"


def ranges(x: Tensor, mask: Tensor, bad: Tensor, joints: Sequence[float]) -> str:
    """Return over which inputs the mask holds: `x < −5`, `x ≤ −93.8 and x ≥ 93.8`.

    Elements that are wrong in another way (`bad` beyond the mask) interrupt no range. A range that ends next to a joint
    is told by the joint.
    """
    known = ~x.isnan()
    met = sorted(set(x[mask & known].tolist()))
    if len(met) <= MOST_POINTS:
        return " and ".join([f"x = {_short(value)}" for value in met] + ["x = NaN"] * bool(mask[~known].any()))
    xs, order = x[known].sort()
    flags, others = mask[known][order].tolist(), (bad & ~mask)[known][order].tolist()
    values = xs.tolist()
    runs: list[tuple[int, int]] = []
    is_open = False
    for index, (flag, other) in enumerate(zip(flags, others, strict=True)):
        if flag:
            runs = [*runs[:-1], (runs[-1][0], index)] if is_open else [*runs, (index, index)]
            is_open = True
        elif not other:
            is_open = False
    if len(runs) > MOST_RANGES:
        low, high = _short(values[runs[0][0]]), _short(values[runs[-1][1]])
        return f"{int(mask.sum())} of {len(mask)} elements, x from {low} to {high}"
    said = [_range(values, first, last, joints) for first, last in runs]
    said += ["x = NaN"] if mask[~known].any() else []
    return " and ".join(said)


def _range(values: list[float], first: int, last: int, joints: Sequence[float]) -> str:
    low, high = values[first], values[last]
    below, above = (values[first - 1] if first else None), (values[last + 1] if last + 1 < len(values) else None)
    left = right = ""
    if below is not None:
        met = next((joint for joint in joints if below <= joint <= low), None)
        left = f"{_short(low)} ≤ " if met is None else f"{_short(met)} {'≤' if met == low else '<'} "
    if above is not None:
        met = next((joint for joint in joints if high <= joint <= above), None)
        right = f" ≤ {_short(high)}" if met is None else f" {'≤' if met == high else '<'} {_short(met)}"
    if not left and not right:
        return "every x"
    if not left:
        return f"x{right}"
    if not right:
        mark, number = ("≥" if "≤" in left else ">"), left.split()[0]
        return f"x {mark} {number}"
    return f"{left}x{right}"


def _short(value: float) -> str:
    text = "inf" if math.isinf(value) else f"{abs(value):.4g}"
    return f"−{text}" if value < 0 else text
