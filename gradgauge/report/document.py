"""One HTML file that fetches nothing: parts of sections of blocks in, escaped markup with styles and scripts out."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gradgauge.report.blocks import Block, Callout, Figure, Fold, Mark, Panel, Svg, Table
from gradgauge.report.explorer import COLUMNS, FIGURES
from gradgauge.report.figures.later import draw_all
from gradgauge.report.figures.style import css_variables
from gradgauge.report.formatting import plural
from gradgauge.report.scopes import Group, Scope, Vocabulary, plain
from gradgauge.report.sort_keys import sort_key

MOST_PANELS, FEW_PANELS = 72, 48
"""Drawings on a page, and on one that would have more than twice as many: more take longer than a reader waits."""
_SCRIPTS = ("vendor/dataTables.min.js", "template/records.js", "template/report.js")


@dataclass(frozen=True)
class Chip:
    """A mark in the page's head. target: the anchor that it leads to, if any."""

    mark: Mark
    target: str = ""


@dataclass(frozen=True)
class Piece:
    """A section of a part. title: blank where the part's own says it all."""

    name: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Part:
    """What answers one question. nothing: what is said in place of sections where there are none."""

    name: str
    title: str
    pieces: Sequence[Piece]
    nothing: str = ""


@dataclass(frozen=True)
class Document:
    """A page. facts: what it is about, name and value; banner: what must be known before anything else is read."""

    title: str
    heading: str
    facts: Sequence[tuple[str, str]]
    chips: Sequence[Chip]
    parts: Sequence[Part]
    vocabulary: Vocabulary
    banner: Callout | None = None


def render(document: Document) -> str:
    """Return the page as HTML. All text is escaped; only drawings made by `figures.svg` are markup.

    Of more than MOST_PANELS drawings those of the first functions are made, and the others told in words.
    """
    panels = _panels(document)
    most = MOST_PANELS if len(panels) <= 2 * MOST_PANELS else FEW_PANELS
    drawn = {id(panel) for panel in panels[:most]}
    draw_all([panel.svg for panel in panels[:most]])
    environment = Environment(
        loader=PackageLoader("gradgauge.report", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_filters(document.vocabulary))
    environment.tests["drawn"] = lambda panel: id(panel) in drawn
    scripts = [_file(name) for name in _SCRIPTS]
    page = environment.get_template("page.html.j2").render(
        document=document,
        left_out=max(0, len(panels) - most),
        columns=COLUMNS,
        figures=FIGURES,
        css=Markup(_file("template/report.css")),  # noqa: S704  (our own file)
        colours=css_variables(),
        scripts=[Markup(script) for script in scripts],  # noqa: S704  (our own files, and a library's)
        hashes=[_digest(script) for script in scripts],
    )
    # What names carry that no page can hold, such as half of a surrogate pair, is shown as a question mark.
    return page.encode("utf-8", "replace").decode("utf-8")


def _panels(document: Document) -> list[Panel]:
    """Return all drawings but legends: what concerns no function first, then function by function."""
    order = {name: place for place, name in enumerate(document.vocabulary.function, 1)}
    found = [
        (order.get(group.scope.function, 0), panel)
        for part in document.parts
        for piece in part.pieces
        for group in document.vocabulary.groups(piece.blocks)
        for panel in _within(group.blocks)
    ]
    return [panel for _, panel in sorted(found, key=lambda pair: pair[0])]


def _within(blocks: Sequence[Block]) -> Iterator[Panel]:
    for block in blocks:
        if isinstance(block, Figure):
            yield from block.panels
        elif isinstance(block, Fold):
            yield from _within(block.blocks)


def _filters(vocabulary: Vocabulary) -> dict[str, Callable[..., Any]]:
    drawings, anchors = itertools.count(1), itertools.count(1)

    def drawing(svg: Svg) -> Markup:
        return Markup(svg.scoped(f"f{next(drawings)}"))  # noqa: S704  (figures.svg escapes what it is given)

    def attributes(scope: Scope) -> Markup:
        return Markup("").join(Markup(' data-{}="{}"').format(axis, value) for axis, value in scope.items())

    def groups(blocks: Sequence[Block]) -> list[Group]:
        return vocabulary.groups(blocks)

    def row(table: Table, index: int) -> Scope:
        return vocabulary.row(table, table.rows[index])

    return {
        "drawing": drawing,
        "attributes": attributes,
        "groups": groups,
        "row_scope": row,
        "item_scope": vocabulary.item,
        "plural": plural,
        "anchor": lambda _: f"a{next(anchors)}",
        "sort_key": lambda cell: sort_key(plain(cell.text)),
    }


def _file(name: str) -> str:
    return resources.files("gradgauge.report").joinpath(name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """Return what the page's policy calls a script by: no other may run."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
