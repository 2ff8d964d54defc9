"""From a matplotlib figure to inline SVG that takes the page's fonts and colours."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from gradgauge.report.blocks import ID_TOKEN, Svg
from gradgauge.report.figures.style import Look, replacements

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {colour.lower(): variable for colour, variable in replacements().items()}
_COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
_FONT = re.compile(r"font(-family)?:\s*(?:[a-z]+ )*([\d.]+px)?[^;]*;?")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_SAID = "said: "
_GEOMETRY = {"d", "x", "y", "x1", "x2", "y1", "y2", "points", "transform", "width", "height"}


def new_axes(
    width_px: float, height_px: float, ratios: tuple[float, ...] = (1.0,), *, share_x: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure measured in CSS pixels with its axes below one another, outside pyplot's registry.

    ratios: how high each of the axes is beside the others.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_px / 72, height_px / 72), dpi=72, layout="constrained")
    grid = figure.subplots(len(ratios), 1, sharex=share_x, squeeze=False, height_ratios=ratios)
    return figure, list(grid[:, 0])


def say(artist: Artist, text: str) -> None:
    """Have the text shown where a pointer rests on what is drawn; nothing may stand there alone."""
    artist.set_gid(f"{_SAID}{text}")


def to_svg(figure: Figure, alt: str) -> Svg:
    """Return the figure as an `<svg role="img">` whose text stays text and whose ids wait for a prefix."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # A name in a script that DejaVu lacks is measured badly but shown well: the browser has its own fonts.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    root = ET.fromstring(buffer.getvalue())  # noqa: S314  (matplotlib's own output)
    width, height = (float(part) for part in root.attrib["viewBox"].split()[2:])
    body = "".join(_markup(child) for child in root)
    head = f'<svg role="img" aria-label={quoteattr(alt)} viewBox="0 0 {width:g} {height:g}" width="{width:g}">'
    return Svg(f"{head}{body}</svg>", width)


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


def _markup(element: ET.Element) -> str:
    tag = element.tag.rpartition("}")[2]
    if tag in ("metadata", "style"):
        return ""
    attributes = "".join(_attribute(tag, name.rpartition("}")[2], value) for name, value in element.attrib.items())
    said = element.attrib.get("id", "").partition(_SAID)
    inside = f"<title>{escape(said[2])}</title>" if said[1] and not said[0] else ""
    inside += escape(element.text.strip() if element.text else "") + "".join(_markup(child) for child in element)
    return f"<{tag}{attributes}>{inside}</{tag}>"


def _attribute(tag: str, name: str, value: str) -> str:
    if name == "id":
        # Groups are numbered anew in each figure and never referred to.
        return "" if tag == "g" else f' id="{ID_TOKEN}{value}"'
    if name == "href":
        value = value.replace("#", f"#{ID_TOKEN}")
    if name in _GEOMETRY:
        value = _LONG_NUMBER.sub(lambda match: f"{float(match.group()):.2f}".rstrip("0").rstrip("."), value)
    if name == "style":
        value = _FONT.sub(lambda match: f"font-size: {match.group(2)};" if match.group(2) else "", value)
        value = _COLOUR.sub(lambda match: _COLOURS.get(match.group().lower(), match.group()), value)
        if tag == "text" and "fill" not in value:
            value += "; fill: currentColor"
    return f" {name}={quoteattr(' '.join(value.replace('url(#', f'url(#{ID_TOKEN}').split()))}"
