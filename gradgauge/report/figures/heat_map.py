"""A heat map with its figures in the cells: techniques below one another, passes and their sizes side by side.

Written out rather than drawn: a cell is a rectangle, a number and what is said of it, a tenth of what matplotlib needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from gradgauge.report.blocks import LegendEntry, Svg
from gradgauge.report.figures.style import HEAT, LABEL_LENGTH
from gradgauge.report.figures.svg import patch_swatch
from gradgauge.report.formatting import shortened

_ROW_PX, _HEAD_PX, _GAP_PX = 26, 42, 10
_LABEL_PX, _CHARACTER_PX = 24, 6.9
_BASELINE_PX = 4.3
_LEAST_PX, _MOST_PX = 48.0, 84.0
_STYLE = ' font-size="12" text-anchor="middle" fill="currentColor"'
NARROW_PX, WIDE_PX = 410.0, 1000.0


@dataclass(frozen=True)
class HeatCell:
    """A cell. step: of the ramp, None for no colour; said: what is shown where a pointer rests."""

    text: str
    said: str
    step: int | None = None


@dataclass(frozen=True)
class HeatRow:
    """A technique with a cell for each column."""

    technique: str
    mode: str
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True)
class HeatGroup:
    """Columns that stand together: a pass and its sizes."""

    title: str
    columns: tuple[str, ...]


def width_of(groups: Sequence[HeatGroup]) -> float:
    """Return how wide a heat map is drawn: as one of several panels where there are few columns, else as a page."""
    columns = sum(len(group.columns) for group in groups)
    label_px = LABEL_LENGTH * _CHARACTER_PX
    least_px = label_px + columns * _LEAST_PX + len(groups) * _GAP_PX
    return NARROW_PX if least_px <= NARROW_PX else max(WIDE_PX, least_px)


def draw_heat(groups: Sequence[HeatGroup], rows: Sequence[HeatRow], alt: str) -> Svg:
    """Return the heat map; every row has as many cells as the groups have columns."""
    width = width_of(groups)
    names = [shortened(row.technique, LABEL_LENGTH) for row in rows]
    left = max(map(len, names), default=0) * _CHARACTER_PX + _LABEL_PX / 2
    columns = sum(len(group.columns) for group in groups)
    cell_px = min(_MOST_PX, (width - left - len(groups) * _GAP_PX) / columns)
    lefts, parts = _heads(groups, left, cell_px)
    for index, (name, row) in enumerate(zip(names, rows, strict=True)):
        top = _HEAD_PX + index * _ROW_PX
        mode = f" data-mode={quoteattr(row.mode)}" if row.mode else ""
        cells = "".join(_cell(cell, x, top, cell_px) for cell, x in zip(row.cells, lefts, strict=True))
        label = _text(name, left - 8, top + _ROW_PX / 2, ' text-anchor="end"')
        parts.append(f"<g{mode}>{label}{cells}</g>")
    height = _HEAD_PX + len(rows) * _ROW_PX
    head = f'<svg role="img" aria-label={quoteattr(alt)} viewBox="0 0 {width:g} {height:g}" width="{width:g}"{_STYLE}>'
    return Svg(f"{head}{''.join(parts)}</svg>", width)


def ramp_legend(words: dict[int, str]) -> tuple[LegendEntry, ...]:
    """Return a sample of each step of the ramp with what it stands for."""
    return tuple(LegendEntry(patch_swatch(HEAT[step][0]), text) for step, text in words.items())


def _heads(groups: Sequence[HeatGroup], left: float, cell_px: float) -> tuple[list[float], list[str]]:
    """Return where each column begins, and the titles of the groups and columns."""
    lefts: list[float] = []
    parts: list[str] = []
    x = left
    for group in groups:
        parts.append(_text(group.title, x + 2, 10, ' text-anchor="start"'))
        for column in group.columns:
            lefts.append(x)
            parts.append(_text(column, x + cell_px / 2, 29, ' fill="var(--muted)"'))
            x += cell_px
        x += _GAP_PX
    return lefts, parts


def _cell(cell: HeatCell, x: float, top: float, cell_px: float) -> str:
    filled = "none" if cell.step is None else f"var(--heat-{cell.step})"
    shape = f'<rect x="{x + 1:.1f}" y="{top + 1}" width="{cell_px - 2:.1f}" height="{_ROW_PX - 2}" fill="{filled}"'
    shape += ' pointer-events="all"/>' if cell.step is None else "/>"
    text = _text(cell.text, x + cell_px / 2, top + _ROW_PX / 2)
    return f"<g><title>{escape(cell.said)}</title>{shape}{text}</g>"


def _text(text: str, x: float, y: float, more: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y + _BASELINE_PX:.0f}"{more}>{escape(text)}</text>'
