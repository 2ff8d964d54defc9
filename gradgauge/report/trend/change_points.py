"""Where a sequence of times changed its level for good, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import pairwise
from statistics import fmean, median

from gradgauge.gate.intervals import t_quantile

FEWEST_RUNS = 8
"""Fewer leave too little to tell a level from the noise about it."""

RISK = 0.05
"""The chance that a page of sequences that did not change shows any change at all."""

_OF_A_NORMAL = 1.4826
_LEAST_SPREAD = 1e-6
_SHORTEST = 3
"""Runs that make a level: one that stands out, and its neighbour, do not."""


def missing_reason() -> str:
    """Return why change points cannot be looked for; nothing where they can."""
    if find_spec("ruptures") is None:
        return "ruptures is not installed: pip install 'gradgauge[trend]'"
    return ""


def change_points(values: Sequence[float], sequences: int = 1, least_spread: float = 0.0) -> list[int]:
    """Return the indices at which a new level begins, of logarithms of times in the order of their runs.

    Candidates are the optimal partition into constant levels (PELT, by ruptures), each change of which costs
    2 · spread² · ln n, as BIC has it for a position and a level, the spread being that of differences between
    neighbours (their median absolute deviation / √2), which one change moves little. A candidate is kept where the
    levels on its two sides differ by Student's t, with the spread about all levels together, at a risk of RISK shared
    equally by all stretches that the `sequences` of the page could be parted into.
    Sources: Killick, Fearnhead and Eckley (JASA 107, 2012); Yao (Statistics & Probability Letters 6, 1988).

    least_spread: what the runs' own intervals say at least; values that happen to be equal are no certainty.
    Nothing is found in fewer than FEWEST_RUNS values.
    """
    if len(values) < FEWEST_RUNS:
        return []
    floor = max(least_spread, _LEAST_SPREAD)
    found = _partition(values, max(floor, _spread_of_differences(values)))
    stretches = sequences * len(values) * (len(values) - 1) // 2
    while found:
        levels = [values[start:end] for start, end in pairwise([0, *found, len(values)])]
        freedom = len(values) - len(levels)
        spread = max(floor, math.sqrt(sum(_squares(level) for level in levels) / freedom))
        surprises = [_t(before, after, spread) for before, after in pairwise(levels)]
        weakest = min(range(len(found)), key=surprises.__getitem__)
        if surprises[weakest] >= t_quantile(1 - RISK / 2 / stretches, freedom):
            break
        del found[weakest]
    return found


def levels_of(values: Sequence[float], changes: Sequence[int]) -> list[float]:
    """Return the mean of each stretch between changes."""
    return [fmean(values[start:end]) for start, end in pairwise([0, *changes, len(values)])]


def _partition(values: Sequence[float], spread: float) -> list[int]:
    import numpy as np
    from ruptures import KernelCPD

    middle = median(values)
    # With a linear kernel the cost is that of constant levels, least squares, in C.
    found = KernelCPD(kernel="linear", min_size=_SHORTEST).fit(np.array([[value - middle] for value in values]))
    *changes, _ = found.predict(pen=2 * spread**2 * math.log(len(values)))
    return [int(index) for index in changes]


def _spread_of_differences(values: Sequence[float]) -> float:
    differences = [after - before for before, after in pairwise(values)]
    middle = median(differences)
    return _OF_A_NORMAL * median(abs(difference - middle) for difference in differences) / math.sqrt(2)


def _squares(level: Sequence[float]) -> float:
    mean = fmean(level)
    return math.fsum((value - mean) ** 2 for value in level)


def _t(before: Sequence[float], after: Sequence[float], spread: float) -> float:
    return abs(fmean(after) - fmean(before)) / (spread * math.sqrt(1 / len(before) + 1 / len(after)))
