"""The control against time: its points, and the medians that it is judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradgauge.report.blocks import Svg
from gradgauge.report.control import MOST_DRIFT, Control
from gradgauge.report.figures.later import later
from gradgauge.report.figures.style import BAD, BEHIND, GRID, INK, MUTED, theme
from gradgauge.report.figures.svg import new_axes, say, to_svg
from gradgauge.report.formatting import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEAST_REACH = 1.5 * MOST_DRIFT
_FARTHEST = 1e6
_BELOW = 0.35


@later
def draw_drift(control: Control, alt: str) -> Svg:
    """Return by how many percent the control is above its fastest median; points off the axis stand at its edge."""
    reach = min(max(_LEAST_REACH, 1.25 * control.drift), _FARTHEST)
    with theme():
        figure, (axes,) = new_axes(410, 230)
        axes.axhspan(0, 100 * MOST_DRIFT, color=GRID, alpha=0.45, linewidth=0, zorder=0)
        axes.axhline(0, color=GRID, linewidth=1.2, zorder=1)
        _points(axes, control, reach)
        for stretch in control.stretches:
            change = control.change(stretch.median_s)
            is_far = change > MOST_DRIFT
            # A round cap keeps a stretch of one moment visible.
            (line,) = axes.plot(
                [stretch.start_s, stretch.end_s],
                [100 * min(change, reach)] * 2,
                color=BAD if is_far else INK,
                linewidth=3.6 if is_far else 2.0,
                solid_capstyle="round",
                zorder=4,
            )
            say(line, f"from {stretch.start_s:.0f} to {stretch.end_s:.0f} s: {percent(change)} above the fastest")
        if control.has_drifted:
            _name_the_slowest(axes, control, reach)
        axes.set_ylim(-100 * _BELOW * reach, 100 * reach)
        _percent_ticks(axes)
        axes.set(xlabel="seconds into the session", ylabel="")
        axes.grid(visible=False)
        axes.spines[["top", "right"]].set_visible(False)
        return to_svg(figure, alt)


def _points(axes: Axes, control: Control, reach: float) -> None:
    pairs = [(x, control.change(y)) for x, y in control.points]
    least = -_BELOW * reach
    inside = [(x, 100 * change) for x, change in pairs if least <= change <= reach]
    above = [x for x, change in pairs if change > reach]
    below = [x for x, change in pairs if change < least]
    if inside:
        axes.plot(*zip(*inside, strict=True), "o", color=MUTED, markersize=2.6, markeredgewidth=0, alpha=0.7, zorder=3)
    for xs, edge, marker in ((above, 97 * reach, "^"), (below, 95 * least, "v")):
        axes.plot(xs, [edge] * len(xs), marker, color=BEHIND, markersize=4, markeredgewidth=0, zorder=2)


def _name_the_slowest(axes: Axes, control: Control, reach: float) -> None:
    slowest = control.slowest
    early = slowest.start_s < control.points[0][0] + control.span_s / 2
    axes.annotate(
        f"+{percent(control.drift)}",
        ((slowest.start_s + slowest.end_s) / 2, 100 * min(control.drift, reach)),
        xytext=(0 if control.span_s == 0 else 2 if early else -2, 7),
        textcoords="offset points",
        ha="left" if early else "right",
        va="bottom",
        color=BAD,
        zorder=5,
    )


def _percent_ticks(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:+g} %".replace("-", "−").replace("+0 ", "0 "))
    )
