"""Time: a line over sizes, or a point for each technique where there is one size."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gradgauge.records import Verdict
from gradgauge.report import formatting
from gradgauge.report.blocks import Svg
from gradgauge.report.figures.scales import log_size_axis, log_time_axis
from gradgauge.report.figures.style import INK, LABEL_LENGTH, PAPER, Look, theme
from gradgauge.report.figures.svg import new_axes, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

_ROW_PX = 25
_DODGE = 1.3
_PALE = 0.5


def draw_times(frame: DataFrame, looks: dict[str, Look], limits_s: tuple[float, float], alt: str) -> Svg:
    """Return time over elements, log-log: hue a technique's implementation, dashed and hollow where compiled.

    frame: rows of one pass with implementation, mode, elements, value, low, high (s) and verdict.
    """
    import seaborn as sns

    sizes = sorted({float(size) for size in frame["elements"]})
    frame = _dodged(frame)

    with theme():
        figure, (axes,) = new_axes(410, 290)
        with warnings.catch_warnings():
            # seaborn 0.13 still calls what pandas and matplotlib have deprecated since.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            sns.lineplot(
                frame,
                x="elements",
                y="value",
                hue="implementation",
                palette={name: look.colour for name, look in looks.items()},
                style="mode",
                dashes={"eager": "", "compiled": (4, 2)} if set(frame["mode"]) <= {"eager", "compiled"} else True,
                estimator=None,
                linewidth=1.6,
                legend=False,
                ax=axes,
            )
        _intervals(axes, frame, looks)
        log_size_axis(axes, sizes)
        log_time_axis(axes, "y", *limits_s)
        axes.set(xlabel="elements", ylabel="")
        axes.spines[["top", "right"]].set_visible(False)
        return to_svg(figure, alt)


def draw_points(frame: DataFrame, looks: dict[str, Look], limits_s: tuple[float, float], alt: str) -> Svg:
    """Return one row a technique, fastest above: a point at its median, its interval, and the median in words."""
    ordered = frame.sort_values("value", ascending=False).reset_index(drop=True)
    with theme():
        figure, (axes,) = new_axes(410, 50 + _ROW_PX * max(2, len(ordered)))
        for position, row in enumerate(ordered.to_dict("records")):
            _point(axes, row["value"], position, row, looks, horizontal=True)
            axes.annotate(
                f"{'≈ ' if _is_noisy(row) else ''}{formatting.time(row['value'])}",
                (max(row["value"], row["high"] if row["high"] == row["high"] else 0), position),
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


def _intervals(axes: Axes, frame: DataFrame, looks: dict[str, Look]) -> None:
    for row in frame.to_dict("records"):
        _point(axes, row["elements"], row["value"], row, looks, horizontal=False)
        if _is_noisy(row):
            axes.annotate(
                "≈",
                (row["elements"], row["value"]),
                xytext=(5, 3),
                textcoords="offset points",
                color=looks[str(row["implementation"])].colour,
                zorder=5,
            )


def _point(axes: Axes, x: float, y: float, row: Mapping[Any, Any], looks: dict[str, Look], *, horizontal: bool) -> None:
    look = looks[str(row["implementation"])]
    has_interval = row["low"] == row["low"] and row["high"] == row["high"]
    reach = [[max(0.0, row["value"] - row["low"])], [max(0.0, row["high"] - row["value"])]] if has_interval else None
    axes.errorbar(
        x,
        y,
        xerr=reach if horizontal else None,
        yerr=None if horizontal else reach,
        color=look.colour,
        marker=look.marker,
        markersize=6.5,
        markerfacecolor=PAPER if str(row["mode"]) == "compiled" else look.colour,
        markeredgecolor=look.colour,
        elinewidth=1.2,
        capsize=2.5,
        zorder=4,
        alpha=_PALE if _is_noisy(row) else None,
    )


def _is_noisy(row: Mapping[Any, Any]) -> bool:
    return str(row["verdict"]) == Verdict.NOISY
