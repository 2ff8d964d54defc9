"""How near a technique comes to the machine: bytes a second, and its speed as a share of a copy's."""

from __future__ import annotations

from gradgauge.cases import Case
from gradgauge.records import Record
from gradgauge.report import formatting
from gradgauge.report.blocks import Block, Cell, Column, Fold, Table
from gradgauge.report.data import RunData
from gradgauge.report.tables.cells import EMPTY, about, ordered_passes, pass_title, value_text, valueless_cell
from gradgauge.report.tables.times import grid_of

METRICS = ("bandwidth", "roof_fraction", "moved_bytes")
_TIMED = METRICS[:2]


def bandwidth_fold(run: RunData, here: list[Record], moved: list[Record]) -> list[Block]:
    """Return a place's bandwidths and shares of a copy, folded; nothing where none was measured.

    moved: the bytes that cases of the same function, device and dtype must move, whatever the protocol.
    """
    timed = [record for record in here if record.metric in _TIMED]
    if not timed:
        return []
    passes = ordered_passes([record.case.pass_ for record in timed])
    bytes_of = {record.case: record for record in moved}
    rows = tuple(
        (
            Cell((technique,)),
            Cell((shape,)),
            *(_cell(found.get(pass_, {}), bytes_of) for pass_ in passes),
        )
        for (shape, technique), found in grid_of(run, timed).items()
    )
    columns = (
        Column("Technique"),
        Column("Shape"),
        *(Column(pass_title(pass_), numeric=True) for pass_ in passes),
    )
    caption = (
        "Bytes that the function's definition must move, over the median time; below, the speed as a share of that of "
        "a copy of as many bytes, taken in the same turns, with its 95 % interval. At 100 % nothing is left to gain "
        "but by moving less."
    )
    caption += " ≈ noisy: the interval is wider than asked." if any(map(about, timed)) else ""
    return [Fold("Bandwidth and distance to the roof", (Table(columns, rows, caption, heads=2),))]


def _cell(metrics: dict[str, Record], bytes_of: dict[Case, Record]) -> Cell:
    bandwidth, roof = metrics.get("bandwidth"), metrics.get("roof_fraction")
    record = bandwidth or roof
    if record is None:
        return EMPTY
    if record.value is None and (roof is None or roof.value is None):
        return valueless_cell(record)
    notes = []
    if roof is not None and roof.value is not None:
        notes.append(f"{about(roof)}{formatting.percent(roof.value)} of a copy{_span(roof)}")
    moved = bytes_of.get(record.case)
    if moved is not None and moved.value is not None:
        notes.append(f"{value_text(moved)} to move")
    return Cell((value_text(bandwidth) if bandwidth else "—",), note="\n".join(notes))


def _span(roof: Record) -> str:
    if roof.low is None or roof.high is None:
        return ""
    return f" ({formatting.percent(roof.low)[:-2]}–{formatting.percent(roof.high)[:-2]})"
