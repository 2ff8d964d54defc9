"""What a section is made of: typed values that the page's template turns into HTML. No markup in here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Literal
from urllib.parse import quote

from gradgauge.records import Verdict

Tone = Literal["plain", "good", "warn", "bad", "muted", "neutral"]


@dataclass(frozen=True)
class Strong:
    """Words that matter more than those around them."""

    text: str
    kind: ClassVar[str] = "strong"


@dataclass(frozen=True)
class Code:
    """A name as it is typed: an implementation, a metric, a path."""

    text: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Mark:
    """A verdict: a symbol and words, never colour alone."""

    symbol: str
    text: str
    tone: Tone
    kind: ClassVar[str] = "mark"


@dataclass(frozen=True)
class Link:
    """A trace in the run folder, by its path from there; plain text where it may be anything else.

    A run folder may come from a stranger, so nothing is linked to that lies elsewhere or that a browser would run.
    """

    path: str
    kind: ClassVar[str] = "link"

    @property
    def text(self) -> str:
        """Return what is shown: the path."""
        return self.path

    @property
    def href(self) -> str:
        """Return the path as a page beside run.json refers to it; nothing where it is not sure to be JSON from there.

        >>> Link("traces/a+b.json").href, Link("../secret.json").href, Link("traces/page.html").href
        ('traces/a%2Bb.json', '', '')
        """
        first, *_ = parts = self.path.split("/")
        stays = first and ".." not in parts and "\\" not in self.path and not re.match(_SCHEME, first)
        is_json = self.path.endswith((".json", ".json.gz"))
        return quote(self.path, safe="/", errors="replace") if stays and is_json else ""


_SCHEME = re.compile(r"[^:]*:")

Inline = str | Strong | Code | Mark | Link
Text = tuple[Inline, ...]

_MARKS: dict[Verdict, tuple[str, Tone]] = {
    Verdict.MEASURED: ("·", "plain"),
    Verdict.PASS: ("✓", "good"),
    Verdict.FAIL: ("✗", "bad"),
    Verdict.EXPECTED_FAIL: ("△", "warn"),
    Verdict.NOISY: ("≈", "warn"),
    Verdict.CRASHED: ("✗", "bad"),
    Verdict.UNAVAILABLE: ("∅", "muted"),
    Verdict.UNSUPPORTED: ("∅", "muted"),
    Verdict.NOT_APPLICABLE: ("∅", "muted"),
}


def mark(verdict: Verdict, text: str = "") -> Mark:
    """Return the verdict's mark, with its own name unless other words are given."""
    symbol, tone = _MARKS[verdict]
    return Mark(symbol, text or str(verdict), tone)


def tone_of(verdict: Verdict) -> Tone:
    """Return the tone in which a verdict is said."""
    return _MARKS[verdict][1]


@dataclass(frozen=True)
class Heading:
    """A heading inside a section. level: 3 below the section's own, 4 below that."""

    text: str
    level: Literal[3, 4] = 3
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Paragraph:
    """Prose. muted: a remark rather than a statement."""

    text: Text
    muted: bool = False
    kind: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class Bullets:
    """A list of remarks."""

    items: tuple[Text, ...]
    kind: ClassVar[str] = "bullets"


@dataclass(frozen=True)
class Callout:
    """What the reader must not miss."""

    tone: Tone
    title: str
    text: Text = ()
    items: tuple[Text, ...] = ()
    kind: ClassVar[str] = "callout"


@dataclass(frozen=True)
class Definitions:
    """Terms and what stands for them. mono: the values are formulas or code."""

    items: tuple[tuple[Text, Text], ...]
    mono: bool = False
    kind: ClassVar[str] = "definitions"


@dataclass(frozen=True)
class Column:
    """A table's column. numeric: aligned right; hint: what it is about, shown where a pointer rests on its title."""

    title: str
    numeric: bool = False
    note: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Cell:
    """A table's cell. note: a second, quieter line, such as the interval of the value above it.

    hint: what is shown where a pointer rests on it; nothing may stand there alone.
    """

    text: Text
    note: str = ""
    tone: Tone = "plain"
    hint: str = ""


@dataclass(frozen=True)
class Table:
    """A table; on a narrow screen each row becomes a card headed by its first `heads` cells.

    is_dense: many short rows, which stand close. is_upright: many columns of a sign each, whose titles stand on end.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    heads: int = 1
    is_dense: bool = False
    is_upright: bool = False
    kind: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} cells in a table of {len(self.columns)} columns: {row}")


@dataclass(frozen=True)
class Svg:
    """A drawing made by `figures.svg`, the only maker of markup; `scoped` gives its ids a prefix of their own."""

    body: str
    width_px: float

    def scoped(self, prefix: str) -> str:
        """Return the markup with ids that no other drawing has, provided that no other has this prefix."""
        return self.body.replace(ID_TOKEN, f"{prefix}-")


# A private-use character stands for the prefix until the page hands one out; data never holds it (see data.clean).
ID_TOKEN = "\ue000"


@dataclass(frozen=True)
class Panel:
    """One drawing of a figure. alt: what it shows, in words; caption: what to see, with the tone of the finding."""

    svg: Svg
    alt: str
    title: str = ""
    caption: str = ""
    tone: Tone = "plain"

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise ValueError(f"the drawing {self.title!r} has no text alternative")


@dataclass(frozen=True)
class LegendEntry:
    """A swatch and what it stands for."""

    swatch: Svg
    text: str


@dataclass(frozen=True)
class Figure:
    """Drawings side by side where there is room, below one another where there is none.

    is_wide: always below one another, on one axis; where the page is narrow they scroll sideways together.
    """

    panels: tuple[Panel, ...]
    caption: str
    legend: tuple[LegendEntry, ...] = ()
    is_wide: bool = False
    kind: ClassVar[str] = "figure"


@dataclass(frozen=True)
class Listing:
    """Code to copy. caption: what it does."""

    code: str
    caption: str = ""
    kind: ClassVar[str] = "listing"


@dataclass(frozen=True)
class Explorer:
    """All records of the run, to be searched, sorted and filtered in the page. payload: as `explorer.payload` packs."""

    payload: str
    count: int
    kind: ClassVar[str] = "explorer"


@dataclass(frozen=True)
class Fold:
    """Blocks that a reader opens when wanted."""

    summary: str
    blocks: tuple[Block, ...]
    kind: ClassVar[str] = "fold"


Block = Heading | Paragraph | Bullets | Callout | Definitions | Table | Figure | Fold | Listing | Explorer
