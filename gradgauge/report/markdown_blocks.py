"""Blocks as Markdown: what a page shows but for its drawings, for a pull request or a README."""

from __future__ import annotations

from collections.abc import Sequence

from gradgauge.report.blocks import (
    Block,
    Bullets,
    Callout,
    Cell,
    Code,
    Column,
    Definitions,
    Explorer,
    Figure,
    Fold,
    Heading,
    Inline,
    Listing,
    Mark,
    Paragraph,
    Strong,
    Table,
    Text,
)
from gradgauge.report.document import Document
from gradgauge.report.markdown_text import escaped, fenced

_LONGEST = 1200
_MOST_ROWS = 25


def document_in_markdown(document: Document) -> str:
    """Return a page's head and parts; everything that comes from a run is escaped."""
    lines = [f"## {escaped(document.heading)}", ""]
    lines += [f"- **{escaped(name)}**: {escaped(value, _LONGEST)}" for name, value in document.facts]
    if document.banner:
        lines += ["", *_lines(document.banner)]
    for part in document.parts:
        lines += ["", f"### {escaped(part.title)}", ""]
        lines += [] if part.pieces else [escaped(part.nothing), ""]
        for piece in part.pieces:
            lines += [f"#### {escaped(piece.title)}", ""] if piece.title else []
            lines += in_markdown(piece.blocks)
    return _joined(lines)


def in_markdown(blocks: Sequence[Block]) -> list[str]:
    """Return blocks as lines, a blank one after each; drawings are left out, as their tables say the same."""
    return [line for block in blocks for line in (*_lines(block), "")]


def _lines(block: Block) -> list[str]:  # noqa: PLR0911  (one for each kind of block)
    match block:
        case Heading():
            return [f"{'#' * (block.level + 1)} {escaped(block.text)}"]
        case Paragraph():
            return [_text(block.text)]
        case Bullets():
            return [f"- {_text(item)}" for item in block.items]
        case Callout():
            return [
                f"> **{escaped(block.title)}** {_text(block.text)}",
                *(f"> - {_text(item)}" for item in block.items),
            ]
        case Definitions():
            return [f"- **{_text(term)}**: {_text(meaning)}" for term, meaning in block.items]
        case Table():
            return _table(block)
        case Fold():
            inner = in_markdown(block.blocks)
            return [f"<details><summary>{escaped(block.summary)}</summary>", "", *inner, "</details>"]
        case Listing():
            return fenced(block.code.splitlines()).splitlines()
        case Figure() | Explorer():
            return []


def _table(table: Table) -> list[str]:
    head = [_column(column) for column in table.columns]
    rule = ["--:" if column.numeric else "---" for column in table.columns]
    rows = [[_cell(cell) for cell in row] for row in table.rows[:_MOST_ROWS]]
    left = len(table.rows) - _MOST_ROWS
    lines = [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]
    lines += ["", f"… and {left:,} more rows: --format csv has them all."] if left > 0 else []
    return [*lines, *(["", escaped(table.caption, _LONGEST)] if table.caption else [])]


def _column(column: Column) -> str:
    return "<br>".join(escaped(text) for text in (column.title, column.note) if text)


def _cell(cell: Cell) -> str:
    notes = [escaped(note) for note in cell.note.splitlines() if note.strip()]
    return "<br>".join(filter(None, (_text(cell.text), *notes)))


def _text(text: Text) -> str:
    return "".join(map(_inline, text))


def _inline(part: Inline) -> str:
    if isinstance(part, str):
        # The spaces at either end stand between two parts, and would be stripped with those within.
        before, after = (" " * (part != strip(part)) for strip in (str.lstrip, str.rstrip))
        return f"{before}{escaped(part, _LONGEST)}{after}" if part.strip() else " "
    if isinstance(part, Strong):
        return f"**{escaped(part.text)}**"
    if isinstance(part, Code):
        # An element, as within backticks nothing can be escaped.
        return f"<code>{escaped(part.text)}</code>"
    if isinstance(part, Mark):
        return f"{escaped(part.symbol)} {escaped(part.text)}"
    return escaped(part.text)


def _joined(lines: Sequence[str]) -> str:
    """Return the lines with no two blank ones in a row."""
    kept = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return "\n".join(kept).rstrip() + "\n"
