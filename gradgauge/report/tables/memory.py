"""Every byte figure of a place: kept for backward, and by pass the peak with how often memory was asked for."""

from __future__ import annotations

from gradgauge.cases import PASSES
from gradgauge.records import Record
from gradgauge.report import formatting
from gradgauge.report.blocks import Block, Cell, Column, Fold, Table, mark
from gradgauge.report.data import RunData
from gradgauge.report.kept import SAVED
from gradgauge.report.tables.cells import EMPTY

PEAK, COUNT, TOTAL = "peak_bytes", "allocations", "allocated_bytes"
METRICS = (PEAK, COUNT, TOTAL)
_WORDS = {SAVED: "kept for backward", PEAK: "peak"}
_OPEN_ROWS = 12

Quantity = tuple[str, str]
# (shape, technique) → (metric, pass) → record.
Grid = dict[tuple[str, str], dict[Quantity, Record]]


def quantities(here: list[Record]) -> list[Quantity]:
    """Return the pairs of metric and pass that have a bar and a column, in their order."""
    present = {(record.metric, record.case.pass_) for record in here if record.metric in _WORDS}
    known = [(metric, pass_) for metric in _WORDS for pass_ in PASSES if (metric, pass_) in present]
    return known + sorted(present - set(known))


def quantity_title(metric: str, pass_: str) -> str:
    """Return what a bar or a column is of: `peak, forward + backward`."""
    return _WORDS[metric] if metric == SAVED else f"{_WORDS[metric]}, {pass_.replace('_', ' + ')}"


def memory_table(run: RunData, here: list[Record]) -> list[Block]:
    """Return the bytes of a place, folded where there are many rows; nothing where there are none."""
    shown = quantities(here)
    grid: Grid = {}
    for record in here:
        key = record.case.shape, record.case.technique
        grid.setdefault(key, {})[record.metric, record.case.pass_] = record
    elements = {record.case.shape: run.elements(record.case) for record in here}
    rows = tuple(
        (
            Cell((technique,)),
            Cell((shape,)),
            *(_cell(grid[shape, technique], which, elements[shape]) for which in shown),
        )
        for shape, technique in sorted(grid, key=lambda key: elements[key[0]] or 0)
    )
    if not shown:
        return []
    columns = (
        Column("Technique"),
        Column("Shape"),
        *(Column(quantity_title(metric, pass_), numeric=True) for metric, pass_ in shown),
    )
    caption = "Bytes, and below them bytes per element of the output"
    if any(record.metric == COUNT for record in here):
        caption += "; under a peak, how often the pass asks for memory, and for how much in all where some is freed"
    table = Table(columns, rows, caption, heads=2)
    return [table if len(rows) <= _OPEN_ROWS else Fold(f"All {len(rows)} rows of bytes", (table,))]


def _cell(found: dict[Quantity, Record], which: Quantity, elements: int | None) -> Cell:
    record = found.get(which)
    if record is None:
        return EMPTY
    if record.value is None:
        return Cell((mark(record.verdict),), note=record.detail, tone="bad" if record.verdict.is_failure else "muted")
    notes = [f"{formatting.size(record.value / elements)} / element" if elements else ""]
    if record.metric == PEAK:
        notes.append(_asked(found.get((COUNT, which[1])), found.get((TOTAL, which[1])), record.value))
    return Cell((formatting.quantity(record.value, record.unit),), note="\n".join(filter(None, notes)))


def _asked(count: Record | None, total: Record | None, peak_bytes: float) -> str:
    if count is None or count.value is None:
        return ""
    told = formatting.plural(int(count.value), "allocation")
    if total is None or total.value is None or total.value == peak_bytes:
        return told
    return f"{told}, {formatting.size(total.value)}"
