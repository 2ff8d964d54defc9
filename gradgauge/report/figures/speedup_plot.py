"""Speedups with their intervals: a row a technique, a point for each size, beside the line of the reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradgauge.report.blocks import Svg
from gradgauge.report.figures.later import later
from gradgauge.report.figures.scales import decade_ticks
from gradgauge.report.figures.style import GRID, INK, LABEL_LENGTH, MUTED, PAPER, Look, theme
from gradgauge.report.figures.svg import new_axes, say, tag, to_svg
from gradgauge.report.formatting import interval, ratio, shortened
from gradgauge.report.ranking import MARGIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW_PX = 30
_SPREAD = 0.56
_PALE = 0.5
_LEAST_SIZE, _MOST_SIZE = 4.0, 7.5
_BEYOND = 2.0


@dataclass(frozen=True)
class SpeedupPoint:
    """A speedup at a shape; without an interval where there is none."""

    shape: str
    value: float
    interval: tuple[float, float] | None
    is_noisy: bool


@dataclass(frozen=True)
class SpeedupRow:
    """A technique's speedups, smallest shape first, None where there is none. sign: stands before its name."""

    technique: str
    implementation: str
    mode: str
    points: tuple[SpeedupPoint | None, ...]
    sign: str = ""


@later
def draw_speedups(rows: Sequence[SpeedupRow], looks: dict[str, Look], alt: str) -> Svg:
    """Return the rows in the order given from above, on one logarithmic axis; sizes grow downwards and in the dots."""
    low, high = _limits([point for row in rows for point in row.points if point])
    with theme():
        figure, (axes,) = new_axes(410, 40 + _ROW_PX * max(2, len(rows)))
        axes.axvspan(1 / MARGIN, MARGIN, color=GRID, alpha=0.55, linewidth=0, zorder=0)
        axes.axvline(1, color=MUTED, linewidth=1.0, zorder=1)
        for position, row in enumerate(rows):
            _row(axes, row, position, looks[row.implementation], (low, high))
        _scale(axes, low, high)
        names = [shortened(f"{row.sign}{row.technique}", LABEL_LENGTH) for row in rows]
        axes.set_yticks(range(len(rows)), labels=names)
        axes.set_ylim(len(rows) - 0.45, -0.55)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.grid(visible=False, axis="y")
        axes.spines[["top", "right", "left"]].set_visible(False)
        return to_svg(figure, alt)


def _row(axes: Axes, row: SpeedupRow, position: int, look: Look, span: tuple[float, float]) -> None:
    last = len(row.points) - 1
    for index, point in enumerate(row.points):
        if point is None:
            continue
        share = index / last if last else 1.0
        y = position + (share - 0.5) * _SPREAD if last else float(position)
        if point.interval:
            ends = [min(max(bound, span[0]), span[1]) for bound in point.interval]
            (line,) = axes.plot(ends, [y, y], color=look.colour, linewidth=1.3, solid_capstyle="butt", zorder=3)
            tag(line, row.mode)
        (dot,) = axes.plot(
            [point.value],
            [y],
            look.marker,
            color=look.colour,
            markersize=_LEAST_SIZE + share * (_MOST_SIZE - _LEAST_SIZE),
            markerfacecolor=PAPER if row.mode == "compiled" else look.colour,
            markeredgecolor=look.colour,
            alpha=_PALE if point.is_noisy else None,
            clip_on=False,
            zorder=4,
        )
        say(dot, f"{row.technique}, {point.shape}: {_said(point)}", row.mode)


def _said(point: SpeedupPoint) -> str:
    span = f" ({interval(*point.interval, 'ratio')})" if point.interval else ""
    return f"{'≈ ' if point.is_noisy else ''}{ratio(point.value)}{span}"


def _limits(points: Sequence[SpeedupPoint]) -> tuple[float, float]:
    """Return where the axis begins and ends: an interval that reaches far beyond every speedup is cut off."""
    values = [1.0, *(point.value for point in points)]
    bounds = [bound for point in points for bound in (point.interval or ()) if 0 < bound < math.inf]
    low, high = min(values), max(values)
    return max(min([low, *bounds]), low / _BEYOND), min(max([high, *bounds]), high * _BEYOND)


def _scale(axes: Axes, low: float, high: float) -> None:
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log")
    axes.set_xlim(low / 1.12, high * 1.12)
    ticks = sorted({1.0, *decade_ticks(low / 1.12, high * 1.12)})
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, labels=[f"{tick:g}×" for tick in ticks])
