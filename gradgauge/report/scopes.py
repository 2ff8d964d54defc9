"""What of a page concerns which function, device, dtype and mode, so that the page's filter can leave the rest out.

Read off the words that sections write anyway: a heading that names a function, `cpu · float32`, a row that begins with
`where · compiled`. A section that uses them, as all do, is filtered without knowing of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from gradgauge.cases import DTYPES, MODES
from gradgauge.report.blocks import Block, Cell, Heading, Table, Text
from gradgauge.report.data import RunData

_BETWEEN = re.compile(r" · |, |: |\n|\u00a0·\u00a0")
_NAMING = {"function", "device", "dtype", "mode", "technique", "place", "case", "implementation", "for"}


@dataclass(frozen=True)
class Scope:
    """What is concerned; an axis left blank concerns every value of it."""

    function: str = ""
    device: str = ""
    dtype: str = ""
    mode: str = ""

    def items(self) -> Iterator[tuple[str, str]]:
        """Yield the axes that are not blank with their values."""
        return ((axis, value) for axis, value in vars(self).items() if value)


@dataclass(frozen=True)
class Group:
    """Blocks that stand one below the other and concern the same."""

    scope: Scope
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Vocabulary:
    """The values that each axis has in a run; an axis of one value needs no filter."""

    function: tuple[str, ...] = ()
    device: tuple[str, ...] = ()
    dtype: tuple[str, ...] = ()
    mode: tuple[str, ...] = ()

    @classmethod
    def of(cls, runs: Iterable[RunData]) -> Vocabulary:
        """Return every value that occurs in the records, functions as the catalog has them, the rest as is usual."""
        found: dict[str, dict[str, None]] = {axis: {} for axis in vars(cls())}
        for run in runs:
            found["function"] |= dict.fromkeys(run.selected_functions())
            cases = dict.fromkeys(record.case for record in run.records)
            found["device"] |= dict.fromkeys(case.device for case in cases)
            found["dtype"] |= dict.fromkeys(sorted({case.dtype for case in cases}, key=_usual(DTYPES)))
            found["mode"] |= dict.fromkeys(sorted({case.mode for case in cases}, key=_usual(MODES)))
        return cls(**{axis: tuple(value for value in values if value) for axis, values in found.items()})

    def choices(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return the axes on which there is something to choose, with their values."""
        return [(axis, values) for axis, values in vars(self).items() if len(values) > 1]

    def scope(self, texts: Iterable[str]) -> Scope:
        """Return what the texts name; an axis of which they name several values is left blank.

        >>> Vocabulary(function=("relu",), mode=("eager", "compiled")).scope(["relu · where · eager"])
        Scope(function='relu', device='', dtype='', mode='eager')
        """
        words = {word.strip().replace("\u00a0", " ") for text in texts for word in _BETWEEN.split(text)}
        named = {axis: [value for value in values if value in words] for axis, values in vars(self).items()}
        return Scope(**{axis: found[0] for axis, found in named.items() if len(found) == 1})

    def groups(self, blocks: Sequence[Block]) -> list[Group]:
        """Return the blocks parted at headings: one that names a function begins what is said of it."""
        found = [Group(Scope())]
        outer = Scope()
        for block in blocks:
            if isinstance(block, Heading):
                named = self.scope([block.text])
                outer = named if block.level == 3 else outer
                own = merged(outer, named)
                if own != found[-1].scope:
                    found.append(Group(own))
            found[-1].blocks.append(block)
        return [group for group in found if group.blocks]

    def row(self, table: Table, cells: Sequence[Cell]) -> Scope:
        """Return what a row concerns, by its first cells and those whose columns are headed by an axis."""
        naming = (
            cell
            for index, (column, cell) in enumerate(zip(table.columns, cells, strict=True))
            if index < table.heads or column.title.lower() in _NAMING
        )
        return self.scope(words for cell in naming for words in (plain(cell.text), cell.note))

    def item(self, text: Text) -> Scope:
        """Return what an item of a list concerns, by its first words."""
        return self.scope([plain(text[:1])])


def merged(outer: Scope, inner: Scope) -> Scope:
    """Return the inner scope with its blanks filled from the outer one."""
    return replace(outer, **dict(inner.items()))


def plain(text: Text) -> str:
    """Return inline parts as text."""
    return "".join(part if isinstance(part, str) else part.text for part in text)


def _usual(order: Sequence[str]) -> Callable[[str], tuple[int, str]]:
    return lambda name: (order.index(name) if name in order else len(order), name)
