"""Bars: one a technique, the figure written at its end."""

from __future__ import annotations

from gradgauge.report import formatting
from gradgauge.report.blocks import Svg
from gradgauge.report.figures.later import later
from gradgauge.report.figures.scales import FARTHEST
from gradgauge.report.figures.style import INK, LABEL_LENGTH, PAPER, Look, theme
from gradgauge.report.figures.svg import new_axes, say, to_svg

_ROW_PX = 26


@later
def draw_bars(bars: list[tuple[str, str, str, float]], looks: dict[str, Look], unit: str, alt: str) -> Svg:
    """Return horizontal bars from zero, in the order given from above; compiled ones are hollow.

    bars: (implementation, mode, technique, value) each.
    """
    with theme():
        figure, (axes,) = new_axes(410, 22 + _ROW_PX * max(2, len(bars)))
        top = max((value for *_, value in bars), default=0.0) or 1.0
        for position, (implementation, mode, technique, value) in enumerate(bars):
            look = looks[implementation]
            (bar,) = axes.barh(
                position,
                value,
                height=0.62,
                facecolor=PAPER if mode == "compiled" else look.colour,
                edgecolor=look.colour,
                linewidth=1.4,
            )
            say(bar, f"{technique}: {formatting.quantity(value, unit)}", mode)
            axes.annotate(
                formatting.quantity(value, unit),
                (value, position),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                color=INK,
            )
        axes.set_yticks(range(len(bars)), labels=[formatting.shortened(name, LABEL_LENGTH) for _, _, name, _ in bars])
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xlim(0, min(top, FARTHEST) * 1.28)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.tick_params(axis="x", length=0, labelbottom=False)
        axes.grid(visible=False)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        return to_svg(figure, alt)
