"""f above f′ for one implementation, the reference's curve as a broad pale line behind."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from gradgauge.records import Series
from gradgauge.report.blocks import Svg
from gradgauge.report.curves import CurveFinding, ErrorCurve
from gradgauge.report.figures.error_plot import draw_error
from gradgauge.report.figures.later import later
from gradgauge.report.figures.scales import FARTHEST
from gradgauge.report.figures.style import BAD, BEHIND, GRID, INK, PAPER, Look, theme
from gradgauge.report.figures.svg import new_axes, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CURVE_PX, _ERROR_PX = 140, 62
_MOST_POINTS = 700
_LINEAR_UP_TO = 50.0


@dataclass(frozen=True)
class Trace:
    """One of the two axes: the curve, the reference's, what was found in it, and its error where that is known."""

    curve: Series
    reference: Series | None
    finding: CurveFinding
    error: ErrorCurve | None = None


@later
def draw_curves(traces: dict[str, Trace], look: Look, breakpoints: tuple[float, ...], alt: str, width_px: int) -> Svg:
    """Return the drawing; traces: what stands on the y axis → its trace, from above."""
    with theme():
        heights_px = tuple(
            float(height)
            for trace in traces.values()
            for height in ((_CURVE_PX, _ERROR_PX) if trace.error else (_CURVE_PX,))
        )
        figure, grid = new_axes(width_px, 40 + sum(heights_px), heights_px, share_x=True)
        left = iter(grid)
        for name, trace in traces.items():
            axes = next(left)
            _draw(axes, trace, look, breakpoints)
            axes.set_title(name, loc="left", color=INK, pad=5)
            if trace.error:
                draw_error(next(left), trace.error, look, breakpoints, name)
        grid[-1].set_xlabel(traces[next(iter(traces))].curve.x_unit or "x")
        return to_svg(figure, alt)


def _draw(axes: Axes, trace: Trace, look: Look, breakpoints: tuple[float, ...]) -> None:
    xs = [_drawable(x) for x in trace.curve.x if not math.isnan(x)]
    linear_up_to = _linear_up_to(xs, breakpoints)
    _scale(axes, xs, [*trace.curve.y, *(trace.reference.y if trace.reference else ())], linear_up_to, breakpoints)
    for point in breakpoints:
        axes.axvline(point, color=GRID, linewidth=0.8, zorder=0)
    if trace.reference:
        _pieces(axes, trace.reference, breakpoints, color=BEHIND, linewidth=5.5, zorder=2, dot=5.5)
    for low, high in trace.finding.differs:
        axes.axvspan(low, high, color=BAD, alpha=0.10, linewidth=0, zorder=1)
    for low, high in trace.finding.not_finite:
        _shade_not_finite(axes, low, high)
    _pieces(axes, trace.curve, breakpoints, color=look.colour, linewidth=1.7, zorder=3, dot=3.4)
    axes.grid(visible=True, axis="y", zorder=0)
    axes.spines[["top", "right"]].set_visible(False)


def _pieces(
    axes: Axes, series: Series, breakpoints: tuple[float, ...], *, color: str, linewidth: float, zorder: int, dot: float
) -> None:
    pairs = zip(series.x, series.y, strict=True)
    points = _thinned(sorted((_drawable(x), _drawable(y)) for x, y in pairs if not math.isnan(x)), breakpoints)
    edges = [-math.inf, *sorted(breakpoints), math.inf]
    for low, high in pairwise(edges):
        inside = [(x, y) for x, y in points if low < x < high]
        if inside:
            axes.plot(*zip(*inside, strict=True), color=color, linewidth=linewidth, zorder=zorder)
    at_edges = [(x, y) for x, y in points if x in breakpoints and not math.isnan(y)]
    if at_edges:
        axes.plot(*zip(*at_edges, strict=True), "o", color=color, markersize=dot, zorder=zorder, markeredgewidth=0)


def _drawable(value: float) -> float:
    """Return the value, or the farthest that an axis can reach: its span must stay a finite float."""
    return value if math.isnan(value) else max(-FARTHEST, min(FARTHEST, value))


def _thinned(points: list[tuple[float, float]], keep: tuple[float, ...]) -> list[tuple[float, float]]:
    step = math.ceil(len(points) / _MOST_POINTS)
    return [
        point
        for index, point in enumerate(points)
        if index % step == 0 or index == len(points) - 1 or point[0] in keep or _borders_nan(points, index)
    ]


def _borders_nan(points: list[tuple[float, float]], index: int) -> bool:
    near = points[max(0, index - 1) : index + 2]
    return len({math.isnan(y) for _, y in near}) > 1


def _linear_up_to(xs: list[float], breakpoints: tuple[float, ...]) -> float:
    """Return where a wide axis turns from linear to logarithmic; infinity where it is narrow enough to stay linear."""
    reach = max((abs(x) for x in xs), default=0.0)
    middle = 2 * max((abs(point) for point in breakpoints), default=0.0) or 4.0
    return middle if reach > 2 * middle and reach > _LINEAR_UP_TO else math.inf


def _scale(axes: Axes, xs: list[float], ys: list[float], linear_up_to: float, breakpoints: tuple[float, ...]) -> None:
    if math.isinf(linear_up_to):
        return
    reach = max(abs(x) for x in xs)
    axes.set_xscale("symlog", linthresh=linear_up_to, linscale=2.2)
    low, high = min(xs), max(xs)
    axes.set_xlim(low, high)
    outer = [sign * 10.0**power for power in range(1, 40) for sign in (-1, 1)]
    outer = [x for x in outer if linear_up_to * 1.5 < abs(x) <= reach]
    outer = [x for x in outer if abs(x) == max(map(abs, outer)) or len(outer) <= 4 or math.log10(abs(x)) % 2 == 0]
    # Labels of neighbouring decades would stand on one another.
    outer = [x for x in outer if abs(x) == max(map(abs, outer)) or 50 * abs(x) < max(map(abs, outer))]
    inner = sorted({0.0, *(breakpoints if any(breakpoints) else (-linear_up_to, linear_up_to))})
    _ticks(axes.xaxis, [x for x in (*inner, *outer) if low <= x <= high])
    reach_y = max((abs(y) for y in ys if math.isfinite(y)), default=0.0)
    if reach_y > _LINEAR_UP_TO:
        axes.set_yscale("symlog", linthresh=linear_up_to, linscale=1.2)
        signs = [sign for sign in (-1, 1) if any(sign * y > linear_up_to for y in ys)]
        top = 10.0 ** math.floor(math.log10(reach_y))
        _ticks(axes.yaxis, sorted({0.0, *(sign * linear_up_to for sign in signs), *(sign * top for sign in signs)}))


def _ticks(axis: object, ticks: list[float]) -> None:
    from matplotlib.axis import Axis
    from matplotlib.ticker import NullLocator

    assert isinstance(axis, Axis)
    axis.set_minor_locator(NullLocator())
    axis.set_ticks(ticks, labels=[_tick_label(tick) for tick in ticks])


def _tick_label(value: float) -> str:
    if abs(value) < 1000:
        return f"{value:g}".replace("-", "−")
    power = math.log10(abs(value))
    sign = "−" if value < 0 else ""
    if power.is_integer():
        return f"{sign}10{str(int(power)).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
    return f"{value:.0e}"


def _shade_not_finite(axes: Axes, low: float, high: float) -> None:
    axes.axvspan(low, high, color=BAD, alpha=0.10, linewidth=0, zorder=1)
    axes.axvspan(low, high, facecolor="none", edgecolor=BAD, alpha=0.55, hatch="////", linewidth=0, zorder=1)
    transform = axes.transData
    left, right = (transform.transform((x, 0))[0] for x in (low, high))
    middle = transform.inverted().transform(((left + right) / 2, 0))[0]
    axes.text(
        middle,
        0.5,
        "not finite",
        transform=axes.get_xaxis_transform(),
        rotation=90,
        ha="center",
        va="center",
        color=BAD,
        fontsize=10,
        zorder=5,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.5},
    )
