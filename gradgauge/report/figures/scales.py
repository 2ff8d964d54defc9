"""Axes whose ticks read as quantities: `10 µs`, `2¹⁶`, `1 MiB`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gradgauge.report import formatting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The span of an axis must stay a finite float.
FARTHEST = 1e300
_FEW_DECADES = 1.6
_MOST_SIZE_TICKS = 5


def log_time_axis(axes: Axes, which: str, low_s: float, high_s: float) -> None:
    """Make an axis logarithmic from `low_s` to `high_s` with ticks in time units."""
    low, high = max(low_s / 1.35, 1 / FARTHEST), min(high_s * 1.35, FARTHEST)
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    ticks = decade_ticks(low, high)
    _set_ticks(axes, which, ticks, [_short_time(tick) for tick in ticks])


def log_size_axis(axes: Axes, elements: list[float]) -> None:
    """Make the x axis logarithmic with a tick at the measured sizes, thinned where there are many."""
    axes.set_xscale("log")
    axes.set_xlim(min(elements) / 1.6, max(elements) * 1.6)
    step = math.ceil(len(elements) / _MOST_SIZE_TICKS)
    ticks = elements[::-1][::step][::-1]
    _set_ticks(axes, "x", ticks, [formatting.compact(tick) for tick in ticks])


def linear_time_axis(axes: Axes, span_s: float, *, labelled: bool) -> None:
    """Make the x axis run from zero to `span_s` with a few ticks in time units, or with their grid alone."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0, span_s)
    ticks = [float(tick) for tick in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(0, span_s) if 0 <= tick <= span_s]
    _set_ticks(axes, "x", ticks, [_short_time(tick) if labelled else "" for tick in ticks])
    axes.tick_params(axis="x", length=0)


def decade_ticks(low: float, high: float) -> list[float]:
    """Return ticks between two positive numbers: powers of ten, with 2 and 5 where they are few.

    >>> decade_ticks(0.9, 1200), decade_ticks(1.5, 30)
    ([1.0, 10.0, 100.0, 1000.0], [2.0, 5.0, 10.0, 20.0])
    """
    span = math.log10(high / low)
    factors = (1.0, 2.0, 5.0) if span < _FEW_DECADES else (1.0,)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    candidates = [float(f"{factor}e{exponent}") for exponent in range(first, last + 1) for factor in factors]
    return [tick for tick in candidates if low <= tick <= high] or [low, high]


def _short_time(value_s: float) -> str:
    return formatting.time(value_s).replace(".00", "").replace(".0", "")


def _set_ticks(axes: Axes, which: str, ticks: list[float], labels: list[str]) -> None:
    from matplotlib.ticker import NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_minor_locator(NullLocator())
    axis.set_ticks(ticks, labels=labels)
