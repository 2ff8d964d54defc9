"""Ratios with their intervals, a row for each technique, beside the margin within which nothing is said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradgauge.report.blocks import Svg
from gradgauge.report.comparison.ratios import Change, Pair
from gradgauge.report.figures.style import BEHIND, GRID, INK, LABEL_LENGTH, MUTED, PAPER, Look, theme
from gradgauge.report.figures.svg import new_axes, say, to_svg
from gradgauge.report.formatting import interval, ratio, shortened, time
from gradgauge.report.ranking import MARGIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_PX = 25
_TICKS = (0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 5.0, 10.0, 20.0)
_LEAST_GAP = 0.17
"""Between ticks, as a share of the axis: nearer ones would run into each other."""
_FARTHEST = 20.0
_NEAREST = 1.2


def draw_ratios(
    found: Sequence[Pair], looks: dict[str, Look], span: tuple[float, float], control: float | None, alt: str
) -> Svg:
    """Return each technique's time over the base's, the slowest change below; `control` as a dotted line."""
    ordered = sorted(found, key=lambda pair: -pair.time.value)
    low, high = span
    with theme():
        figure, (axes,) = new_axes(410, 56 + _ROW_PX * max(2, len(ordered)))
        axes.axvspan(1 / MARGIN, MARGIN, color=GRID, alpha=0.55, linewidth=0, zorder=0)
        axes.axvline(1, color=MUTED, linewidth=1.0, zorder=1)
        if control is not None:
            axes.axvline(control, color=BEHIND, linewidth=1.8, linestyle=":", zorder=1)
        for row, pair in enumerate(ordered):
            _interval(axes, pair, row, looks[pair.case.implementation], (low, high))
        axes.set_xscale("log")
        axes.set_xlim(low / 1.02, high * 1.35)
        _ticks(axes, low, high)
        names = [shortened(pair.case.technique, LABEL_LENGTH) for pair in ordered]
        axes.set_yticks(range(len(ordered)), labels=names)
        axes.set_ylim(-0.6, len(ordered) - 0.4)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set(xlabel="", ylabel="")
        axes.grid(visible=False, axis="y")
        axes.spines[["top", "right", "left"]].set_visible(False)
        return to_svg(figure, alt)


def span_of(found: Sequence[Pair], control: float | None) -> tuple[float, float]:
    """Return from where to where the axis goes: all intervals, but no farther than matters, and 1 within."""
    values = [pair.time.value for pair in found] + ([] if control is None else [control])
    lows = [pair.time.low or pair.time.value for pair in found]
    highs = [pair.time.high or pair.time.value for pair in found]
    low, high = min(*lows, *values, 1 / _NEAREST), max(*highs, *values, _NEAREST)
    return max(low, 1 / _FARTHEST), min(high, _FARTHEST)


def _interval(axes: Axes, pair: Pair, row: int, look: Look, span: tuple[float, float]) -> None:
    low, high = span
    change = pair.time
    x = min(max(change.value, low), high)
    if change.low is not None and change.high is not None:
        ends = [min(max(bound, low), high) for bound in (change.low, change.high)]
        axes.plot(ends, [row, row], color=look.colour, linewidth=1.6, solid_capstyle="butt", zorder=3)
    is_quiet = pair.time_change in (Change.NONE, Change.UNKNOWN)
    (point,) = axes.plot(
        [x],
        [row],
        marker=look.marker,
        markersize=6.5,
        color=look.colour,
        markerfacecolor=PAPER if pair.case.mode == "compiled" else look.colour,
        markeredgecolor=look.colour,
        linestyle="none",
        zorder=4,
    )
    spread = interval(change.low, change.high, "ratio") or "no interval"
    times = f"{time(pair.base.value or 0)} → {time(pair.other.value or 0)}"
    say(point, f"{pair.case.technique}: {ratio(change.value)} ({spread}), {times}, {pair.time_change.value}")
    axes.annotate(
        ratio(change.value),
        (min(max(change.high or x, x), high), row),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        color=MUTED if is_quiet else INK,
    )


def _ticks(axes: Axes, low: float, high: float) -> None:
    from matplotlib.ticker import NullLocator

    gap = _LEAST_GAP * math.log(high / low)
    shown = [1.0]
    for tick in sorted(_TICKS, key=lambda tick: abs(math.log(tick))):
        if low <= tick <= high and all(abs(math.log(tick / other)) >= gap for other in shown):
            shown.append(tick)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(sorted(shown), labels=[f"{tick:g}×" for tick in sorted(shown)])
