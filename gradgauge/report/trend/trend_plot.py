"""Times over runs: one technique with its levels, or all techniques of a pass."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gradgauge.report.blocks import Svg
from gradgauge.report.figures.scales import log_time_axis
from gradgauge.report.figures.style import BAD, INK, MUTED, PAPER, Look, theme
from gradgauge.report.figures.svg import new_axes, say, to_svg
from gradgauge.report.formatting import interval, time
from gradgauge.report.trend.histories import History, Point
from gradgauge.report.trend.reading import Stored

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_TICKS = 4
_LEAST_REACH = 1.15
_CLOSER = 1.25
_MOST_SAID = 60
"""Points of a technique; more of them would hide each other, and make the page heavy."""
_LINEAR_BELOW = 4.0


def draw_change(history: History, runs: Sequence[Stored], look: Look, changes: Sequence[int], alt: str) -> Svg:
    """Return a time over runs with its intervals, and the level of each stretch between changes."""
    points = history.points
    with theme():
        figure, (axes,) = new_axes(410, 220)
        _line([history], {history.points[0].record.case.implementation: look}, axes)
        edges = [0, *changes, len(points)]
        for start, end in pairwise(edges):
            level = math.exp(math.fsum(math.log(point.value) for point in points[start:end]) / (end - start))
            axes.plot([points[start].run, points[end - 1].run], [level, level], color=INK, linewidth=2.0, zorder=2)
        for position in changes:
            axes.axvline(
                (points[position - 1].run + points[position].run) / 2, color=BAD, linewidth=1.2, linestyle=":", zorder=1
            )
        _intervals(axes, history, look)
        for point in points if len(points) <= _MOST_SAID else ():
            _say_point(axes, point, look)
        _finish(axes, [history], runs)
        return to_svg(figure, alt)


def draw_all(found: Sequence[History], runs: Sequence[Stored], looks: dict[str, Look], alt: str) -> Svg:
    """Return the times of all techniques of a pass over runs: dashed and hollow where compiled."""
    with theme():
        figure, (axes,) = new_axes(410, 270)
        _line(found, looks, axes)
        for history in found:
            _points(axes, history, looks[history.points[0].record.case.implementation])
        _finish(axes, found, runs)
        return to_svg(figure, alt)


def _line(found: Sequence[History], looks: dict[str, Look], axes: Axes) -> None:
    import pandas as pd
    import seaborn as sns

    rows = [(point.run, point.value, point.record.case) for history in found for point in history.points]
    modes = {case.mode for _, _, case in rows}
    frame = pd.DataFrame(
        {
            "run": [run for run, _, _ in rows],
            "value": [value for _, value, _ in rows],
            "implementation": [case.implementation for _, _, case in rows],
            "mode": [case.mode for _, _, case in rows],
        }
    )
    with warnings.catch_warnings():
        # seaborn 0.13 still calls what pandas and matplotlib have deprecated since.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        sns.lineplot(
            frame,
            x="run",
            y="value",
            hue="implementation",
            palette={name: look.colour for name, look in looks.items()},
            style="mode",
            dashes={"eager": "", "compiled": (4, 2)} if modes <= {"eager", "compiled"} else True,
            estimator=None,
            linewidth=1.2,
            legend=False,
            ax=axes,
        )


def _intervals(axes: Axes, history: History, look: Look) -> None:
    spans = [(point.run, point.record.low, point.record.high) for point in history.points]
    known = [(run, low, high) for run, low, high in spans if low is not None and high is not None and low > 0]
    if known:
        runs, lows, highs = zip(*known, strict=True)
        axes.vlines(runs, lows, highs, color=look.colour, linewidth=1.1, zorder=3)


def _points(axes: Axes, history: History, look: Look) -> None:
    """Draw all points of a technique at once; where a pointer rests on any, the first and the last are said.

    Where there are very many, the line alone says as much.
    """
    if len(history.points) > _MOST_SAID:
        return
    _intervals(axes, history, look)
    runs, values = [point.run for point in history.points], [point.value for point in history.points]
    (drawn,) = axes.plot(runs, values, **_marker(history.points[0], look))
    say(drawn, f"{history.technique}: {time(values[0])} at first, {time(values[-1])} at last")


def _say_point(axes: Axes, point: Point, look: Look) -> None:
    (drawn,) = axes.plot([point.run], [point.value], **_marker(point, look))
    spread = interval(point.record.low, point.record.high, "s")
    say(drawn, f"{point.record.case.technique}: {time(point.value)}{f' ({spread})' if spread else ''}")


def _marker(point: Point, look: Look) -> dict[str, Any]:
    return {
        "marker": look.marker,
        "markersize": 4.5,
        "color": look.colour,
        "markerfacecolor": PAPER if point.record.case.mode == "compiled" else look.colour,
        "markeredgecolor": look.colour,
        "linestyle": "none",
        "zorder": 4,
    }


def _finish(axes: Axes, found: Sequence[History], runs: Sequence[Stored]) -> None:
    values = [point.value for history in found for point in history.points]
    middle = math.sqrt(min(values)) * math.sqrt(max(values))
    low, high = min(*values, middle / _LEAST_REACH), max(*values, middle * _LEAST_REACH)
    log_time_axis(axes, "y", low * _CLOSER, high / _CLOSER)
    if high < _LINEAR_BELOW * low:
        _linear_ticks(axes, low, high)
    indices = sorted({point.run for history in found for point in history.points})
    shown = indices[:: max(1, math.ceil(len(indices) / _MOST_TICKS))]
    axes.set_xticks(shown, labels=_moments([runs[index] for index in shown]))
    axes.set_xlim(indices[0] - 0.6, indices[-1] + 0.6)
    axes.set(xlabel="", ylabel="")
    axes.tick_params(axis="x", labelcolor=MUTED)
    axes.spines[["top", "right"]].set_visible(False)


def _linear_ticks(axes: Axes, low_s: float, high_s: float) -> None:
    """Set ticks at round numbers where powers of ten, with 2 and 5, would be one or none."""
    from matplotlib.ticker import MaxNLocator

    found = [float(tick) for tick in MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low_s, high_s)]
    ticks = [tick for tick in found if low_s / 1.1 <= tick <= high_s * 1.1 and tick > 0]
    axes.set_yticks(ticks, labels=[time(tick) for tick in ticks])


def _moments(runs: Sequence[Stored]) -> list[str]:
    """Return when runs started: the days, or the time of day where all are of one."""
    starts = [stored.run.description.start for stored in runs]
    one_day = len({start[:10] for start in starts}) == 1
    return [start[11:16] if one_day else start[:10] for start in starts]
