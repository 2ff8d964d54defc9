"""A flame graph, outermost call above: as wide as the seconds that went through a call."""

from __future__ import annotations

from gradgauge.report.blocks import Svg
from gradgauge.report.figures.fitting import FONT_PX, fitted
from gradgauge.report.figures.later import later
from gradgauge.report.figures.style import BEHIND, GRID, INK, PAPER, Look, theme
from gradgauge.report.figures.svg import new_axes, say, to_svg
from gradgauge.report.formatting import percent, time
from gradgauge.report.frames import Frame, Laid, laid_out

WIDTH_PX = 940.0
_LEVEL_PX = 18.0
_LEAST_PX = 2.0


@later
def draw_flames(root: Frame, look: Look, alt: str) -> Svg:
    """Return the calls below `root`, each on a level of its own below who calls it; the narrowest are left out."""
    from matplotlib.patches import Rectangle

    frames = list(laid_out(root, root.seconds * _LEAST_PX / WIDTH_PX))
    levels = max((laid.level + 1 for laid in frames), default=1)
    with theme():
        figure, (axes,) = new_axes(WIDTH_PX, levels * _LEVEL_PX)
        figure.set_layout_engine("none")
        axes.set_position((0.0, 0.0, 1.0, 1.0))
        axes.set(xlim=(0, root.seconds or 1), ylim=(levels, 0))
        axes.set_axis_off()
        for laid in frames:
            seconds = laid.frame.seconds
            face, ink = _colours(laid, look)
            box = Rectangle(
                (laid.start_s, laid.level + 0.03),
                seconds,
                0.94,
                facecolor=face,
                edgecolor=PAPER,
                linewidth=0.8,
                clip_on=False,
            )
            share = percent(seconds / root.seconds)
            say(axes.add_patch(box), f"{laid.frame.name}: {time(seconds)}, {share}")
            width_px = seconds / root.seconds * WIDTH_PX
            text = fitted(f"{laid.frame.label}  {time(seconds)}", width_px)
            text = text if not text.endswith("…") else fitted(laid.frame.label, width_px)
            if text:
                axes.text(
                    laid.start_s + root.seconds * 4 / WIDTH_PX,
                    laid.level + 0.53,
                    text,
                    color=ink,
                    fontsize=FONT_PX,
                    ha="left",
                    va="center",
                )
        return to_svg(figure, alt)


def _colours(laid: Laid, look: Look) -> tuple[str, str]:
    return {"work": (look.colour, PAPER), "python": (BEHIND, INK), "between": (GRID, INK)}[laid.frame.kind]
