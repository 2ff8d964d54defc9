"""Stacked bars: what each technique keeps for its backward, by role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradgauge.report.blocks import LegendEntry, Svg
from gradgauge.report.figures.later import later
from gradgauge.report.figures.scales import FARTHEST
from gradgauge.report.figures.style import BEHIND, INK, LABEL_LENGTH, MUTED, NEUTRAL, PAPER, theme
from gradgauge.report.figures.svg import new_axes, patch_swatch, say, to_svg
from gradgauge.report.formatting import shortened, size

_ROW_PX = 26
# Role → colour and hatch: pale what costs nothing, dark what is a pure cost, hatched what is neither.
_LOOKS = {
    "input": (BEHIND, ""),
    "output": (MUTED, "/"),
    "intermediate": (INK, ""),
    "elsewhere": (INK, "x"),
}
_UNKNOWN = (NEUTRAL[0], "x")


@dataclass(frozen=True)
class KeptBar:
    """A technique, its bytes by role, and what stands at the bar's end."""

    technique: str
    by_role: Mapping[str, float]
    told: str


@later
def draw_kept(bars: Sequence[KeptBar], alt: str) -> Svg:
    """Return horizontal bars from zero, in the order given from above, each in pieces by role."""
    with theme():
        figure, (axes,) = new_axes(410, 22 + _ROW_PX * max(2, len(bars)))
        top = max((sum(bar.by_role.values()) for bar in bars), default=0.0) or 1.0
        for position, bar in enumerate(bars):
            reached = 0.0
            for role, value in bar.by_role.items():
                colour, hatch = _LOOKS.get(role, _UNKNOWN)
                # The edge is the paper's where the piece is filled: neighbours of one role would run together.
                (piece,) = axes.barh(
                    position,
                    value,
                    left=reached,
                    height=0.62,
                    facecolor=PAPER if hatch else colour,
                    edgecolor=colour,
                    hatch=hatch * 3,
                    linewidth=1.2,
                )
                say(piece, f"{bar.technique}, {role}: {size(value)}", bar.technique.rpartition(" · ")[2])
                reached += value
            axes.annotate(
                bar.told,
                (reached, position),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                color=INK,
            )
        names = [shortened(bar.technique, LABEL_LENGTH) for bar in bars]
        axes.set_yticks(range(len(bars)), labels=names)
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xlim(0, min(top, FARTHEST) * 1.5)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.tick_params(axis="x", length=0, labelbottom=False)
        axes.grid(visible=False)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        return to_svg(figure, alt)


def role_legend(roles: Mapping[str, str]) -> tuple[LegendEntry, ...]:
    """Return a sample of each role with what it means."""
    return tuple(
        LegendEntry(patch_swatch(*_LOOKS.get(role, _UNKNOWN)), f"{role}: {meaning}" if meaning else role)
        for role, meaning in roles.items()
    )
