"""Time: a line over sizes, or a point for each technique where there is one size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gradgauge.records import Verdict
from gradgauge.report import formatting
from gradgauge.report.blocks import Svg
from gradgauge.report.figures.later import later
from gradgauge.report.figures.scales import log_size_axis, log_time_axis
from gradgauge.report.figures.style import INK, LABEL_LENGTH, PAPER, Look, theme
from gradgauge.report.figures.svg import new_axes, say, tag, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

_ROW_PX = 25
_DODGE = 1.3
_PALE = 0.5
_SIZE = 6.5
Row = Mapping[Any, Any]


@later
def draw_times(frame: DataFrame, looks: dict[str, Look], limits_s: tuple[float, float], alt: str) -> Svg:
    """Return time over elements, log-log: hue a technique's implementation, dashed and hollow where compiled.

    frame: rows of one pass with technique, implementation, mode, shape, elements, value, low, high (s), verdict and
    speedup (its text, blank where there is none).
    """
    sizes = sorted({float(size) for size in frame["elements"]})
    with theme():
        figure, (axes,) = new_axes(410, 290)
        for _, own in _dodged(frame).groupby("technique", sort=False):
            rows = own.sort_values("elements").to_dict("records")
            _line(axes, rows, looks[str(rows[0]["implementation"])])
            for row in rows:
                _point(axes, (row["elements"], row["value"]), row, looks)
        log_size_axis(axes, sizes)
        log_time_axis(axes, "y", *limits_s)
        axes.set(xlabel="elements", ylabel="")
        axes.spines[["top", "right"]].set_visible(False)
        return to_svg(figure, alt)


@later
def draw_points(frame: DataFrame, looks: dict[str, Look], limits_s: tuple[float, float], alt: str) -> Svg:
    """Return one row a technique, fastest above: a point at its median, its interval, and the median in words."""
    ordered = frame.sort_values("value", ascending=False).reset_index(drop=True)
    with theme():
        figure, (axes,) = new_axes(410, 50 + _ROW_PX * max(2, len(ordered)))
        for position, row in enumerate(ordered.to_dict("records")):
            interval = _interval(row)
            if interval:
                (line,) = axes.plot(interval, [position] * 2, color=looks[str(row["implementation"])].colour, lw=1.2)
                tag(line, str(row["mode"]))
            _point(axes, (row["value"], position), row, looks, is_marked=False)
            axes.annotate(
                f"{'≈ ' if _is_noisy(row) else ''}{formatting.time(row['value'])}",
                (max(row["value"], *interval) if interval else row["value"], position),
                xytext=(8, 0),
                textcoords="offset points",
                va="center",
                color=INK,
            )
        axes.set_yticks(
            range(len(ordered)), labels=[formatting.shortened(name, LABEL_LENGTH) for name in ordered["technique"]]
        )
        axes.set_ylim(-0.6, len(ordered) - 0.4)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        log_time_axis(axes, "x", limits_s[0], limits_s[1] * 2.2)
        axes.grid(visible=False, axis="y")
        axes.spines[["top", "right", "left"]].set_visible(False)
        return to_svg(figure, alt)


def _dodged(frame: DataFrame) -> DataFrame:
    """Return the rows with techniques set a little apart along x, so that equal times do not hide each other."""
    order = {name: index for index, name in enumerate(dict.fromkeys(frame["technique"]))}
    offset = frame["technique"].map(order).astype(float) / max(1, len(order) - 1) - 0.5
    return frame.assign(elements=frame["elements"] * _DODGE**offset)


def _line(axes: Axes, rows: list[dict[Any, Any]], look: Look) -> None:
    """Draw a technique's line over sizes, and all of its intervals as one path."""
    mode = str(rows[0]["mode"])
    xs, ys = [row["elements"] for row in rows], [row["value"] for row in rows]
    (line,) = axes.plot(xs, ys, color=look.colour, linewidth=1.6, dashes=(4, 2) if mode == "compiled" else (None, None))
    tag(line, mode)
    reached = [(row["elements"], bound) for row in rows for bound in (*(_interval(row) or ()), math.nan)]
    (bars,) = axes.plot(*zip(*reached, strict=True), color=look.colour, linewidth=1.2, alpha=0.8)
    tag(bars, mode)


def _point(axes: Axes, at: tuple[float, float], row: Row, looks: dict[str, Look], *, is_marked: bool = True) -> None:
    look, mode = looks[str(row["implementation"])], str(row["mode"])
    (point,) = axes.plot(
        [at[0]],
        [at[1]],
        look.marker,
        color=look.colour,
        markersize=_SIZE,
        markerfacecolor=PAPER if mode == "compiled" else look.colour,
        markeredgecolor=look.colour,
        alpha=_PALE if _is_noisy(row) else None,
        zorder=4,
        clip_on=False,
    )
    say(point, _said(row), mode)
    if _is_noisy(row) and is_marked:
        about = axes.annotate("≈", at, xytext=(5, 3), textcoords="offset points", color=look.colour, zorder=5)
        tag(about, mode)


def _said(row: Row) -> str:
    """Return a point in words: `where · compiled, 1024x1024: ≈ 1.17 ms (1.16–1.18 ms), 2.57×`."""
    interval = _interval(row)
    span = f" ({formatting.interval(*interval, 's')})" if interval else ""
    about = "≈ " if _is_noisy(row) else ""
    time = f"{row['technique']}, {row['shape']}: {about}{formatting.time(row['value'])}{span}"
    return ", ".join(filter(None, (time, row.get("speedup", ""))))


def _interval(row: Row) -> tuple[float, float] | None:
    low, high = row["low"], row["high"]
    return (min(low, row["value"]), max(high, row["value"])) if math.isfinite(low) and math.isfinite(high) else None


def _is_noisy(row: Row) -> bool:
    return str(row["verdict"]) == Verdict.NOISY
