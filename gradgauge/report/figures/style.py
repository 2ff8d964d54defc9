"""The look of every drawing, set once: theme, palette, markers, and how colours become CSS variables.

Drawings are made in the light colours below; `figures.svg` replaces each by a CSS variable (or `currentColor`), and
the page gives the variables their values for light and for dark. The hues keep apart under the common colour
blindnesses; shape and dash repeat what the colour says.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gradgauge.cases import REFERENCE
from gradgauge.report.data import RunData
from gradgauge.report.once import once_a_run

INK, MUTED, GRID, BEHIND, PAPER, BAD = "#1b1d21", "#5d6470", "#dfe2e7", "#c6ccd6", "#fffffe", "#c0272d"
NEUTRAL = ("#4c5461", "#b6bdc9")
# (on white, on black), after Okabe and Ito, darkened or lightened until a thin line reads on its background.
LABEL_LENGTH = 30  # of a technique beside an axis; the table below has the whole name
PALETTE = (
    ("#0068b0", "#5aaeea"),
    ("#d4540a", "#ff8f52"),
    ("#00875f", "#3ecf9f"),
    ("#b04a86", "#ea9cc9"),
    ("#8a6d00", "#e3c04a"),
    ("#5b46b5", "#a99bf2"),
    ("#1f8599", "#6fd0e0"),
    ("#8b4a2b", "#d6a07f"),
)
# From orange, slower, over grey to blue, faster: ink stays readable on each.
HEAT = (
    ("#e9954f", "#9c5118"),
    ("#f3bd8c", "#6f4220"),
    ("#f9e0c8", "#453122"),
    ("#eceef1", "#2b2f37"),
    ("#d2e3f4", "#213a54"),
    ("#a3c9eb", "#255280"),
    ("#6fadde", "#2a68a8"),
)
MARKERS = ("s", "^", "D", "v", "P", "X", "p", "h")
_MARKER_PATHS = {
    "o": "M8 6a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
    "s": "M8.5 2.5h7v7h-7z",
    "^": "M12 1.5L16.5 10h-9z",
    "D": "M12 1L17 6L12 11L7 6z",
    "v": "M12 10.5L16.5 2h-9z",
    "P": "M10.5 1.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
    "X": "M9 1l3 3 3-3 2 2-3 3 3 3-2 2-3-3-3 3-2-2 3-3-3-3z",
    "p": "M12 1L17 4.7L15 10.5H9L7 4.7z",
    "h": "M12 1L16.5 3.5V8.5L12 11L7.5 8.5V3.5z",
}


@dataclass(frozen=True)
class Look:
    """How one implementation is drawn: `colour` in drawings, `variable` in the page's CSS."""

    colour: str
    variable: str
    marker: str

    @property
    def marker_path(self) -> str:
        """Return the marker as an SVG path in a box of 24 by 12, centred at (12, 6)."""
        return _MARKER_PATHS[self.marker]


@once_a_run
def looks(run: RunData) -> dict[str, Look]:
    """Return one look a name of an implementation, the same in every figure; the reference is always neutral grey.

    Hues repeat after eight names; the markers then differ.
    """
    listed = [name for entry in run.description.functions.values() for name in entry.implementations]
    # What is measured of the machine itself takes no colour away from an implementation.
    recorded = [record.case.implementation for record in run.records if record.case.function]
    cases = [*(series.case for series in run.series), *(profile.case for profile in run.profiles)]
    drawn = [case.implementation for case in cases if case.function]
    names = sorted({name for name in (*listed, *recorded, *drawn) if name != REFERENCE})
    found = {REFERENCE: Look(NEUTRAL[0], "--neutral", "o")}
    for index, name in enumerate(names):
        hue = index % len(PALETTE)
        marker = MARKERS[(index + index // len(PALETTE)) % len(MARKERS)]
        found[name] = Look(PALETTE[hue][0], f"--hue-{hue}", marker)
    return found


def css_variables() -> dict[str, tuple[str, str]]:
    """Return the colours that drawings use, by CSS variable, for light and for dark."""
    hues = {f"--hue-{index}": pair for index, pair in enumerate(PALETTE)}
    heat = {f"--heat-{index}": pair for index, pair in enumerate(HEAT)}
    return {**hues, **heat, "--neutral": NEUTRAL}


def replacements() -> dict[str, str]:
    """Return what stands in the page for each colour of a drawing."""
    fixed = {INK: "currentColor", PAPER: "var(--paper)", BAD: "var(--bad)"}
    greys = {MUTED: "var(--muted)", GRID: "var(--line)", BEHIND: "var(--behind)"}
    hues = {pair[0]: f"var({name})" for name, pair in css_variables().items()}
    return {**fixed, **greys, **hues}


@contextmanager
def theme() -> Iterator[None]:
    """Draw in the report's theme; matplotlib's settings are as before when it ends."""
    import matplotlib as mpl
    import seaborn as sns

    ours: dict[Any, Any] = {
        "axes.edgecolor": MUTED,
        "axes.facecolor": "none",
        "axes.grid": True,
        "axes.labelcolor": MUTED,
        "axes.linewidth": 0.8,
        "axes.unicode_minus": True,
        "figure.facecolor": "none",
        "font.family": ["DejaVu Sans"],
        "font.size": 12.0,
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "hatch.linewidth": 0.6,
        # Of a curve's points those are left out that move it by less than half of a pixel.
        "path.simplify_threshold": 0.4,
        "svg.fonttype": "none",
        "svg.hashsalt": "gradgauge",
        "text.color": INK,
        "text.parse_math": False,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
    }
    sizes = dict.fromkeys(
        ("axes.labelsize", "axes.titlesize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 11.5
    )
    with warnings.catch_warnings(), sns.axes_style("ticks"), sns.plotting_context("paper", rc=sizes):
        # Values near the largest float overflow in the ticks' arithmetic, which then leaves those ticks out.
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        with mpl.rc_context(ours):
            yield
