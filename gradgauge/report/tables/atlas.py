"""The atlas as a table: places down, techniques across; places at which nothing changes share a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gradgauge.records import Record, Verdict
from gradgauge.report.atlas import Atlas, Spot, right_of, shown
from gradgauge.report.blocks import Block, Cell, Column, Fold, Inline, Table, Tone, mark
from gradgauge.report.conventions import side_of
from gradgauge.report.description import FunctionEntry
from gradgauge.report.formatting import plural
from gradgauge.report.tables.cells import EMPTY
from gradgauge.report.techniques import together
from gradgauge.report.verdicts import WRONG, quiet

_MOST_ROWS = 16
_ZEROS = ("−0", "+0")
_NOTEWORTHY: tuple[Tone, ...] = ("bad", "warn", "neutral")


@dataclass(frozen=True)
class _Row:
    places: tuple[str, ...]
    cells: tuple[Cell, ...]
    is_kink: bool

    @property
    def head(self) -> Cell:
        if len(self.places) == 1:
            return Cell((self.places[0],))
        return Cell((f"{self.places[0]} … {self.places[-1]}",), note=plural(len(self.places), "place"))

    @property
    def matters(self) -> bool:
        return self.is_kink or any(cell.tone in _NOTEWORTHY for cell in self.cells)


def atlas_blocks(atlas: Atlas, entry: FunctionEntry | None, zero_signs: dict[str, Verdict]) -> list[Block]:
    """Return the table, what is far from any kink and unremarkable folded away where it is long.

    zero_signs: what was said of each technique whose zeros differ in sign from the oracle's.
    """
    every = [name for column in atlas.columns for name in column]
    columns = (
        Column(f"x{f' = {atlas.along}' if atlas.along else ''}"),
        *(Column(", ".join(together(column, every))) for column in atlas.columns),
    )
    rows = list(_merged(_Cells(atlas, entry, zero_signs).rows()))
    caption = (
        f"The slope at each place, in {atlas.dtype}; with the value where that is a signed zero, not finite or wrong"
    )
    if len(rows) <= _MOST_ROWS:
        return [Table(columns, _rendered(rows), caption)]
    open_ = [row for index, row in enumerate(rows) if _is_near(rows, index)]
    rest = [row for row in rows if row not in open_]
    table = Table(columns, _rendered(open_), caption)
    title = f"Away from kinks, and right: {plural(sum(len(row.places) for row in rest), 'more place')}"
    return [table, *([Fold(title, (Table(columns, _rendered(rest)),))] if rest else [])]


def _rendered(rows: list[_Row]) -> tuple[tuple[Cell, ...], ...]:
    return tuple((row.head, *row.cells) for row in rows)


def _is_near(rows: list[_Row], index: int) -> bool:
    near = rows[max(0, index - 1) : index + 2]
    return rows[index].matters or any(row.is_kink for row in near)


def _merged(rows: Iterator[_Row]) -> Iterator[_Row]:
    last: _Row | None = None
    for row in rows:
        if last and not row.is_kink and row.cells == last.cells:
            last = _Row((*last.places, *row.places), last.cells, last.is_kink)
            continue
        if last:
            yield last
        last = row
    if last:
        yield last


class _Cells:
    def __init__(self, atlas: Atlas, entry: FunctionEntry | None, zero_signs: dict[str, Verdict]) -> None:
        self._atlas, self._entry, self._zero_signs = atlas, entry, zero_signs

    def rows(self) -> Iterator[_Row]:
        for place in self._atlas.places:
            spots = [self._atlas.spot(column, place) for column in self._atlas.columns]
            span = self._atlas.kink_at(place)
            differ = span is not None and len({shown(spot.slope) for spot in spots if spot.slope}) > 1
            zeros = {shown(spot.value) for spot in spots if spot.value and spot.value.value == 0}
            cells = tuple(
                self._cell(place, spot, column, span, differ=differ, zeros=zeros)
                for column, spot in zip(self._atlas.columns, spots, strict=True)
            )
            yield _Row((place,), cells, span is not None)

    def _cell(
        self,
        place: str,
        spot: Spot,
        column: tuple[str, ...],
        span: tuple[float, float] | None,
        *,
        differ: bool,
        zeros: set[str],
    ) -> Cell:
        slope, value = spot.slope, spot.value
        if slope is None:
            return EMPTY
        notes: list[str] = []
        tones: list[Tone] = [quiet(slope.verdict)]
        if span and slope.value is not None and slope.verdict is Verdict.PASS:
            notes.append(side_of(float(slope.value), place, span, self._entry))
            tones += ["neutral"] if differ else []
        if slope.verdict in WRONG:
            notes.append(f"any slope from {span[0]:g} to {span[1]:g} is right" if span else right_of(slope))
        if slope.verdict is Verdict.MEASURED:
            notes.append("not judged")
        if value and (place in _ZEROS or len(zeros) > 1 or value.value is None or value.verdict in WRONG):
            notes.append(_value_note(value))
            tones.append(quiet(value.verdict))
            tones += [self._zero_tone(column)] if len(zeros) > 1 and value.value == 0 else []
        text: Inline = mark(slope.verdict, shown(slope)) if slope.verdict in WRONG else shown(slope)
        return Cell((text,), note="\n".join(notes), tone=_loudest(tones))

    def _zero_tone(self, column: tuple[str, ...]) -> Tone:
        """Return how loudly a zero's sign is said: a difference is a convention, or else whoever is wrong is."""
        verdicts = [self._zero_signs[name] for name in column if name in self._zero_signs]
        if any(verdict in WRONG for verdict in verdicts):
            return quiet(next(verdict for verdict in verdicts if verdict in WRONG))
        is_open = any(verdict is Verdict.MEASURED for verdict in self._zero_signs.values())
        return "neutral" if is_open else "plain"


def _value_note(value: Record) -> str:
    said = f"value {shown(value)}"
    return f"✗ {said}; {right_of(value)}" if value.verdict in WRONG else said


def _loudest(tones: list[Tone]) -> Tone:
    order: tuple[Tone, ...] = ("bad", "warn", "neutral", "plain")
    return next((tone for tone in order if tone in tones), "plain")
