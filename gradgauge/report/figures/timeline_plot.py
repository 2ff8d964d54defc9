"""A step over time: forward and backward behind, operators in lanes by depth, the device's streams below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradgauge.report.blocks import Svg
from gradgauge.report.figures.fitting import FONT_PX, fitted
from gradgauge.report.figures.later import later
from gradgauge.report.figures.scales import linear_time_axis
from gradgauge.report.figures.style import BEHIND, GRID, INK, MUTED, PAPER, Look, theme
from gradgauge.report.figures.svg import new_axes, say, to_svg
from gradgauge.report.formatting import plural, time
from gradgauge.report.timeline import Block, Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_PX = 940.0
_LEFT_PX, _RIGHT_PX, _ABOVE_PX, _BELOW_PX = 44.0, 24.0, 15.0, 22.0
PLOT_PX = WIDTH_PX - _LEFT_PX - _RIGHT_PX
_LANE_PX = 17.0
_BETWEEN = 0.45
"""Of a lane: between the host's lanes and the device's."""


@later
def draw_timeline(timeline: Timeline, look: Look, span_s: float, alt: str, *, with_axis: bool) -> Svg:
    """Return one step from 0 to `span_s`; drawings of one span have one axis. with_axis: with its figures."""
    host, device = timeline.host_lanes, timeline.device_lanes
    lanes = host + (device + _BETWEEN if device else 0)
    height_px = _ABOVE_PX + lanes * _LANE_PX + (_BELOW_PX if with_axis else 4.0)
    with theme():
        figure, (axes,) = new_axes(WIDTH_PX, height_px)
        # Drawings below one another share an axis only where all leave the same room for what stands beside it.
        figure.set_layout_engine("none")
        bottom_px = _BELOW_PX if with_axis else 4.0
        axes.set_position(
            (_LEFT_PX / WIDTH_PX, bottom_px / height_px, PLOT_PX / WIDTH_PX, lanes * _LANE_PX / height_px)
        )
        axes.set_ylim(lanes, 0)
        linear_time_axis(axes, span_s, labelled=with_axis)
        _regions(axes, timeline, span_s)
        for blocks, top in ((timeline.host, 0.0), (timeline.device, host + _BETWEEN)):
            for block in blocks:
                _block(axes, block, top + block.lane, look, span_s)
        marks = [(host / 2, "host"), *([(host + _BETWEEN + device / 2, "device")] if device else [])]
        axes.set_yticks([position for position, _ in marks], labels=[name for _, name in marks])
        axes.tick_params(axis="y", length=0, labelsize=FONT_PX)
        axes.grid(visible=False, axis="y")
        axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
        return to_svg(figure, alt)


def _regions(axes: Axes, timeline: Timeline, span_s: float) -> None:
    for region in timeline.regions:
        end_s = region.start_s + region.duration_s
        axes.axvspan(
            region.start_s, end_s, color=GRID, alpha=0.75 if region.name == "forward" else 0.4, linewidth=0, zorder=0
        )
        text = fitted(region.name, region.duration_s / span_s * PLOT_PX)
        if text:
            axes.text(region.start_s, -0.12, text, color=MUTED, fontsize=FONT_PX, ha="left", va="bottom")


def _block(axes: Axes, block: Block, top: float, look: Look, span_s: float) -> None:
    from matplotlib.patches import Rectangle

    duration_s = block.end_s - block.start_s
    colour = look.colour if block.works else BEHIND
    box = Rectangle(
        (block.start_s, top + 0.06),
        duration_s,
        0.88,
        facecolor=colour,
        edgecolor=PAPER,
        linewidth=0.5,
        alpha=0.6 if block.count > 1 else None,
        zorder=3,
        clip_on=False,
    )
    name = block.name or plural(block.count, "short one")
    say(axes.add_patch(box), f"{name}, {time(duration_s)}, from {time(block.start_s)}")
    text = fitted(block.name, duration_s / span_s * PLOT_PX)
    if text:
        axes.text(
            block.start_s + duration_s / 2,
            top + 0.53,
            text,
            color=PAPER if block.works else INK,
            fontsize=FONT_PX,
            ha="center",
            va="center",
            zorder=4,
        )
