"""From a matplotlib figure to inline SVG that takes the page's fonts and colours."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

from gradgauge.report.blocks import Svg
from gradgauge.report.figures.markup import Markup, gid_of
from gradgauge.report.figures.style import Look, replacements

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {colour.lower(): variable for colour, variable in replacements().items()}
_PAD_PX, _GAP_PX = 3.0, 4.0


def new_axes(
    width_px: float, height_px: float, ratios: tuple[float, ...] = (1.0,), *, share_x: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure measured in CSS pixels with its axes below one another, outside pyplot's registry.

    ratios: how high each of the axes is beside the others.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_px / 72, height_px / 72), dpi=72)
    grid = figure.subplots(len(ratios), 1, sharex=share_x, squeeze=False, height_ratios=ratios)
    return figure, list(grid[:, 0])


def say(artist: Artist, text: str, mode: str = "") -> None:
    """Have the text shown where a pointer rests on what is drawn; nothing may stand there alone.

    mode: of the technique that is drawn, so that the page's filter can hide it.
    """
    artist.set_gid(gid_of(text, mode))


def tag(artist: Artist, mode: str) -> None:
    """Have the page's filter hide what is drawn where it shows the other mode."""
    say(artist, "", mode)


def to_svg(figure: Figure, alt: str) -> Svg:
    """Return the figure as an `<svg role="img">` whose text stays text and whose ids wait for a prefix."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # A name in a script that DejaVu lacks is measured badly but shown well: the browser has its own fonts.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        _fit(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    root = ET.fromstring(buffer.getvalue())  # noqa: S314  (matplotlib's own output)
    width, height = (float(part) for part in root.attrib["viewBox"].split()[2:])
    markup = Markup.of(root, _COLOURS)
    body = "".join(map(markup.write, root))
    head = f'<svg role="img" aria-label={quoteattr(alt)} viewBox="0 0 {width:g} {height:g}" width="{width:g}">'
    return Svg(f"{head}{body}</svg>", width)


def _fit(figure: Figure) -> None:
    """Give the axes all the room that their labels leave, heights in their ratios.

    What matplotlib's constrained layout does for one column of axes, in a third of its time: it draws everything twice.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    column = figure.axes
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]  # matplotlib has no hint there
    boxes = [(axes.get_window_extent(renderer), axes.get_tightbbox(renderer, for_layout_only=True)) for axes in column]
    around = [
        (own.x0 - whole.x0, own.y0 - whole.y0, whole.x1 - own.x1, whole.y1 - own.y1) if whole else (0.0,) * 4
        for own, whole in boxes
    ]
    width, height = figure.bbox.width, figure.bbox.height
    left, right = (max(0.0, *(sides[side] for sides in around)) + _PAD_PX for side in (0, 2))
    room = height - 2 * _PAD_PX - sum(max(0.0, sides[1]) + max(0.0, sides[3]) for sides in around)
    room -= _GAP_PX * (len(column) - 1)
    whole_ratio = sum(own.height for own, _ in boxes)
    top = height - _PAD_PX
    for axes, (own, _), sides in zip(column, boxes, around, strict=True):
        high = max(1.0, room * own.height / whole_ratio)
        bottom = top - max(0.0, sides[3]) - high
        axes.set_position((left / width, bottom / height, max(1.0, width - left - right) / width, high / height))
        top = bottom - max(0.0, sides[1]) - _GAP_PX


def swatch(look: Look, *, dashed: bool) -> Svg:
    """Return a legend's sample of a line with its marker: filled and solid, or hollow and dashed."""
    colour = f"var({look.variable})"
    dash = ' stroke-dasharray="4 2.5"' if dashed else ""
    fill = "var(--paper)" if dashed else colour
    return Svg(
        '<svg aria-hidden="true" class="swatch" viewBox="0 0 24 12" width="24">'
        f'<path d="M0 6H24" stroke="{colour}" stroke-width="2"{dash}/>'
        f'<path d="{look.marker_path}" fill="{fill}" stroke="{colour}" stroke-width="1.4"/></svg>',
        24,
    )


def patch_swatch(colour: str, hatch: str = "") -> Svg:
    """Return a legend's sample of a filled patch, or of one that is hatched: `/` as matplotlib means it, or `x`."""
    variable = replacements()[colour]
    slants = {"/": "M5 11L15 1M11 11L21 1", "x": "M5 11L15 1M11 11L21 1M5 1L15 11M11 1L21 11"}
    lines = f'<path d="{slants[hatch]}" stroke="{variable}" stroke-width="1.3"/>' if hatch else ""
    fill = "var(--paper)" if hatch else variable
    return Svg(
        '<svg aria-hidden="true" class="swatch" viewBox="0 0 24 12" width="24">'
        f'<path d="M1 1H23V11H1z" fill="{fill}" stroke="{variable}" stroke-width="1.2"/>{lines}</svg>',
        24,
    )


def behind_swatch() -> Svg:
    """Return a legend's sample of the broad pale line that stands behind a curve."""
    line = '<path d="M0 6H24" stroke="var(--behind)" stroke-width="6"/>'
    return Svg(f'<svg aria-hidden="true" class="swatch" viewBox="0 0 24 12" width="24">{line}</svg>', 24)


def budget_swatch() -> Svg:
    """Return a legend's sample of the dashed line that marks a budget."""
    line = '<path d="M0 6H24" stroke="var(--muted)" stroke-width="1.4" stroke-dasharray="5 3"/>'
    return Svg(f'<svg aria-hidden="true" class="swatch" viewBox="0 0 24 12" width="24">{line}</svg>', 24)
