"""A small panel: by how many ulps a curve errs, along its input."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gradgauge.report.curves import ErrorCurve, severity
from gradgauge.report.figures.scales import FARTHEST
from gradgauge.report.figures.style import BAD, GRID, INK, MUTED, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_POINTS = 180
_HEADROOM = 2.0

Point = tuple[float, float, float]


def draw_error(axes: Axes, error: ErrorCurve, look: Look, breakpoints: tuple[float, ...], name: str) -> None:
    """Draw the largest errors from point to point, the budget dashed; above it in red. x keeps its scale."""
    points = _largest(error)
    xs, ys = [x for x, _, _ in points], [y for _, y, _ in points]
    for point in breakpoints:
        axes.axvline(point, color=GRID, linewidth=0.8, zorder=0)
    if points:
        axes.plot(xs, ys, color=look.colour, linewidth=1.0, zorder=2)
    if any(y > budget for _, y, budget in points):
        above = [y if y > budget else math.nan for _, y, budget in points]
        axes.plot(xs, above, color=BAD, linewidth=1.4, marker=".", markersize=2.5, zorder=3)
    budgets = [budget for _, _, budget in points if math.isfinite(budget)]
    if budgets:
        drawn = [min(budget, FARTHEST) for _, _, budget in points]
        axes.plot(xs, drawn, color=MUTED, linewidth=1.0, linestyle=(0, (4, 2.5)), zorder=1)
    _scale(axes, max([1.0, *budgets, *ys]))
    axes.set_title(f"error of {name}, ulp", loc="left", color=INK, pad=3, fontsize=10)
    axes.grid(visible=False)
    axes.spines[["top", "right"]].set_visible(False)


def _largest(error: ErrorCurve) -> list[Point]:
    """Return the curve thinned to the worst of neighbouring points; what has no error is left out."""
    points = sorted((x, min(y, FARTHEST), budget) for x, y, budget in error.points if not math.isnan(y))
    step = math.ceil(len(points) / _MOST_POINTS) or 1
    return [max(points[index : index + step], key=severity) for index in range(0, len(points), step)]


def _scale(axes: Axes, top: float) -> None:
    from matplotlib.ticker import NullLocator

    axes.set_yscale("symlog", linthresh=1.0, linscale=0.6)
    # A line at 0 must not be cut in two by the axis.
    axes.set_ylim(-0.1, min(top * _HEADROOM, FARTHEST))
    power = math.floor(math.log10(top))
    ticks = [0.0, 1.0] if power < 1 else [0.0, 10.0**power]
    axes.yaxis.set_minor_locator(NullLocator())
    superscript = str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    axes.set_yticks(ticks, labels=["0", "1" if power < 1 else "10" if power == 1 else f"10{superscript}"])
