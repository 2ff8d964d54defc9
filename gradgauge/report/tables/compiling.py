"""What torch.compile makes of each technique: graph breaks, recompilations, kernels, and what compiling costs."""

from __future__ import annotations

from dataclasses import replace

from gradgauge.records import Record, Verdict
from gradgauge.report.blocks import Block, Cell, Column, Table
from gradgauge.report.counted import BREAKS, COMPILE, GENERATED, PAYBACK, RECOMPILES, Counted, Row
from gradgauge.report.formatting import number, plural
from gradgauge.report.tables.cells import EMPTY, about, interval_text, value_text, valueless_cell
from gradgauge.report.tables.counters import technique_cells, technique_columns

_TITLES = {BREAKS: "graph breaks", RECOMPILES: "recompilations", GENERATED: "generated kernels"}
_CACHES = {"cold": "nothing in the cache", "warm": "all in the cache"}


def compiled_table(counted: Counted) -> list[Block]:
    """Return graph breaks, recompilations and generated kernels; nothing where none were counted."""
    rows = counted.rows(*_TITLES)
    metrics = [metric for metric in _TITLES if counted.of(metric)]
    if not rows:
        return []
    columns = (*technique_columns(rows), *(Column(_TITLES[metric], numeric=True) for metric in metrics))
    cells = tuple(
        (*technique_cells(row, rows), *(_count(counted.find(metric, row)) for metric in metrics)) for row in rows
    )
    caption = (
        "What torch.compile makes of forward and backward. Recompilations: shapes, the first apart, for which it "
        "captures the call anew if sizes may vary."
    )
    return [Table(columns, cells, caption, heads=len(technique_columns(rows)), is_dense=True)]


def payback_table(counted: Counted) -> list[Block]:
    """Return how long compiling takes, and after how many calls that is repaid; nothing where it was not measured."""
    rows = counted.rows(COMPILE, PAYBACK)
    known = list(dict.fromkeys(record.labels.get("cache", "") for record in counted.of(COMPILE, PAYBACK)))
    caches = [cache for cache in (*_CACHES, *known) if cache in known]
    if not rows:
        return []
    columns = (
        *technique_columns(rows),
        *(Column(_CACHES.get(cache, cache or "compiling"), numeric=True) for cache in dict.fromkeys(caches)),
        Column("Remarks"),
    )
    cells = tuple(
        (
            *technique_cells(row, rows),
            *(_repaid(counted, row, cache) for cache in dict.fromkeys(caches)),
            Cell(("; ".join(_remarks(counted, row)) or "—",)),
        )
        for row in rows
    )
    shapes = ", ".join(dict.fromkeys(row.shape for row in rows))
    caption = (
        f"How long compiling forward and backward takes, at {shapes}, without and with the code in inductor's cache; "
        "below, after how many calls that is repaid against the same code run eagerly, with the 95 % interval."
    )
    caption += " ≈ noisy: the interval is wider than asked." if any(map(about, counted.of(COMPILE, PAYBACK))) else ""
    return [Table(columns, cells, caption, heads=len(technique_columns(rows)))]


def _count(record: Record | None) -> Cell:
    if record is None:
        return EMPTY
    if record.value is None:
        return valueless_cell(record)
    return Cell((number(record.value),), hint=record.detail)


def _repaid(counted: Counted, row: Row, cache: str) -> Cell:
    labels = {"cache": cache} if cache else {}
    time, payback = counted.find(COMPILE, row, **labels), counted.find(PAYBACK, row, **labels)
    record = time or payback
    if record is None:
        return EMPTY
    notes = [interval_text(time) if time else "", *(_calls(payback) if payback else ())]
    note = "\n".join(filter(None, notes))
    if record.value is None:
        return replace(valueless_cell(record), note=note)
    return Cell((value_text(record) if time else "—",), note=note)


def _remarks(counted: Counted, row: Row) -> list[str]:
    here = (each for each in counted.of(PAYBACK) if Row(each.case.technique, each.case.shape) == row)
    return list(dict.fromkeys(record.detail for record in here if record.detail))


def _calls(payback: Record) -> tuple[str, str]:
    if payback.value is None:
        return ("does not pay back" if payback.verdict is Verdict.NOT_APPLICABLE else f"payback {payback.verdict}"), ""
    bounds = [number(round(bound)) for bound in (payback.low, payback.high) if bound is not None]
    span = f"({'–'.join(bounds)})" if len(bounds) == 2 else ""
    return f"{about(payback)}pays back after {plural(round(payback.value), 'call')}", span
