"""How much memory: what is kept for the backward pass, and the highest the allocator goes."""

from __future__ import annotations

from gradgauge.cases import PASSES
from gradgauge.records import Record
from gradgauge.report import formatting
from gradgauge.report.blocks import Block, Cell, Column, Figure, Fold, Heading, Panel, Table, mark
from gradgauge.report.data import RunData
from gradgauge.report.figures.bar_plot import draw_bars
from gradgauge.report.figures.style import Look, looks
from gradgauge.report.places import Place, places

TITLE = "Memory"
ORDER = 50
SHOWS = frozenset({("memory", "saved_bytes"), ("memory", "peak_bytes")})
_OPEN_ROWS = 12
_WORDS = {"saved_bytes": "kept for backward", "peak_bytes": "peak"}

Quantity = tuple[str, str]


def render(run: RunData) -> list[Block] | None:
    """Return bars at the largest shape and a table of all, for each place that was measured."""
    records = [record for record in run.records if (record.suite, record.metric) in SHOWS]
    if not records:
        return None
    blocks: list[Block] = []
    for place, is_drawn in places(records, run.function_names()).items():
        here = [record for record in records if Place.of(record) == place]
        first = place.function not in {heading.text for heading in blocks if isinstance(heading, Heading)}
        blocks += [Heading(place.function)] if first else []
        blocks.append(Heading(place.title or "no device recorded", level=4))
        figure = _figure(run, place, here, looks(run)) if is_drawn else []
        blocks += [*figure, _table(run, here)]
    return blocks


def _figure(run: RunData, place: Place, here: list[Record], look: dict[str, Look]) -> list[Block]:
    sizes = {record.case.shape: run.elements(record.case) or 0 for record in here if record.value is not None}
    if not sizes:
        return []
    shape = max(sizes, key=lambda name: sizes[name])
    panels = []
    for metric, pass_ in _quantities(here):
        found = [
            record
            for record in here
            if (record.metric, record.case.pass_, record.case.shape) == (metric, pass_, shape)
            and record.value is not None
        ]
        if not found:
            continue
        title = _title(metric, pass_)
        told = [f"{record.case.technique} {formatting.size(record.value or 0)}" for record in found]
        alt = f"{place.function}, {title} at {shape}: {', '.join(told)}."
        bars = [
            (record.case.implementation, record.case.mode, record.case.technique, float(record.value or 0))
            for record in found
        ]
        panels.append(Panel(draw_bars(bars, look, "byte", alt), alt, title))
    caption = f"Bytes at {shape}. Hollow bars: compiled. Less is better."
    return [Figure(tuple(panels), caption)] if panels else []


def _table(run: RunData, here: list[Record]) -> Block:
    quantities = _quantities(here)
    found = {
        ((record.case.shape, record.case.technique), (record.metric, record.case.pass_)): record for record in here
    }
    elements = {record.case.shape: run.elements(record.case) for record in here}
    keys = sorted(dict.fromkeys(key for key, _ in found), key=lambda key: elements[key[0]] or 0)
    columns = (
        Column("Technique"),
        Column("Shape"),
        *(Column(_title(metric, pass_), numeric=True) for metric, pass_ in quantities),
    )
    rows = tuple(
        (
            Cell((technique,)),
            Cell((shape,)),
            *(_cell(found.get(((shape, technique), quantity)), elements[shape]) for quantity in quantities),
        )
        for shape, technique in keys
    )
    table = Table(columns, rows, "Bytes, and below them bytes per element of the output", heads=2)
    return table if len(rows) <= _OPEN_ROWS else Fold(f"All {len(rows)} rows of bytes", (table,))


def _cell(record: Record | None, elements: int | None) -> Cell:
    if record is None:
        return Cell(("—",), tone="muted")
    if record.value is None:
        return Cell((mark(record.verdict),), note=record.detail, tone="bad" if record.verdict.is_failure else "muted")
    note = f"{formatting.size(record.value / elements)} / element" if elements else ""
    return Cell((formatting.quantity(record.value, record.unit),), note=note)


def _quantities(here: list[Record]) -> list[Quantity]:
    present = {(record.metric, record.case.pass_) for record in here}
    known = [(metric, pass_) for metric in _WORDS for pass_ in PASSES if (metric, pass_) in present]
    return known + sorted(present - set(known))


def _title(metric: str, pass_: str) -> str:
    return _WORDS[metric] if metric == "saved_bytes" else f"{_WORDS[metric]}, {pass_.replace('_', ' + ')}"
