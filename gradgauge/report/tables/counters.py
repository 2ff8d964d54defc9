"""Operators by technique and pass, with kernels, waits and FLOPs where there are such; instructions likewise."""

from __future__ import annotations

from gradgauge.cases import REFERENCE
from gradgauge.records import Record
from gradgauge.report.blocks import Block, Cell, Column, Fold, Table
from gradgauge.report.counted import BOTH, FLOPS, INSTRUCTIONS, KERNELS, OPERATORS, WAITS, Counted, Row
from gradgauge.report.formatting import number, plural, ratio
from gradgauge.report.tables.cells import (
    EMPTY,
    about,
    interval_text,
    ordered_passes,
    pass_title,
    value_text,
    valueless_cell,
)

Technique = tuple[Cell, ...]
NATIVE = f"{REFERENCE} · eager"


def technique_columns(rows: list[Row]) -> tuple[Column, ...]:
    """Return the columns that name a row: the technique and, where there are several, the shape."""
    return (Column("Technique"), *((Column("Shape"),) if len({row.shape for row in rows}) > 1 else ()))


def technique_cells(row: Row, rows: list[Row]) -> Technique:
    """Return the cells that name a row."""
    return (Cell((row.technique,)), *((Cell((row.shape,)),) if len({each.shape for each in rows}) > 1 else ()))


def operators_table(counted: Counted) -> list[Block]:
    """Return operators by pass, and folded below it their names; nothing where none were counted."""
    rows = counted.rows(OPERATORS)
    if not rows:
        return []
    passes = ordered_passes([record.case.pass_ for record in counted.of(OPERATORS)])
    has_flops = any(record.detail and record.value is None for record in _odd_flops(counted)) or any(
        record.value is not None for record in counted.of(FLOPS)
    )
    columns = (
        *technique_columns(rows),
        *(Column(pass_title(pass_) or "call", numeric=True) for pass_ in passes),
        *((Column("FLOPs", numeric=True, note=pass_title(BOTH)),) if has_flops else ()),
    )
    cells = tuple(
        (
            *technique_cells(row, rows),
            *(_calls(counted, row, pass_) for pass_ in passes),
            *((_value(counted.find(FLOPS, row)),) if has_flops else ()),
        )
        for row in rows
    )
    shapes = ", ".join(dict.fromkeys(row.shape for row in rows))
    caption = (
        f"Operators that a pass dispatches, those that other operators call included, at {shapes}. Code that "
        "torch.compile generates dispatches none."
    )
    table = Table(columns, cells, caption, heads=len(technique_columns(rows)), is_dense=True)
    return [table, _names(counted, rows, passes)]


def instructions_table(counted: Counted) -> list[Block]:
    """Return the instructions a call by pass; nothing where none were counted."""
    counts = counted.of(INSTRUCTIONS)
    if not any(record.value is not None for record in counts):
        return []
    rows, passes = counted.rows(INSTRUCTIONS), ordered_passes([record.case.pass_ for record in counts])
    columns = (
        *technique_columns(rows),
        *(Column(pass_title(pass_) or "call", numeric=True) for pass_ in passes),
    )
    cells = tuple(
        (*technique_cells(row, rows), *(_instructions(counted, row, pass_) for pass_ in passes)) for row in rows
    )
    shapes = ", ".join(dict.fromkeys(row.shape for row in rows))
    caption = (
        f"Instructions that the processor runs a call, Python's included, at {shapes}; below, as a multiple of the "
        "reference's."
    )
    return [Table(columns, cells, caption, heads=len(technique_columns(rows)))]


def _instructions(counted: Counted, row: Row, pass_: str) -> Cell:
    record = counted.find(INSTRUCTIONS, row, pass_)
    if record is None:
        return EMPTY
    if record.value is None:
        return valueless_cell(record)
    native = counted.find(INSTRUCTIONS, Row(NATIVE, row.shape), pass_)
    against = f"{ratio(record.value / native.value)}" if native and native.value and row.technique != NATIVE else ""
    return Cell((number(round(record.value)),), note=against)


def _odd_flops(counted: Counted) -> list[Record]:
    return [record for record in counted.of(FLOPS) if record.verdict.is_failure or record.verdict == "unsupported"]


def _calls(counted: Counted, row: Row, pass_: str) -> Cell:
    record = counted.find(OPERATORS, row, pass_)
    if record is None:
        return EMPTY
    if record.value is None:
        return valueless_cell(record)
    on_device = [found for metric in (KERNELS, WAITS) if (found := counted.find(metric, row, pass_))]
    notes = [
        plural(int(found.value), "kernel" if found.metric == KERNELS else "wait")
        for found in on_device
        if found.value is not None
    ]
    hint = "\n".join(found.detail for found in (record, *on_device) if found.detail)
    return Cell((number(record.value),), note=", ".join(notes), hint=hint)


def _value(record: Record | None) -> Cell:
    if record is None:
        return EMPTY
    if record.value is None:
        return valueless_cell(record)
    text = about(record) + number(record.value) if record.unit in ("count", "flop") else value_text(record)
    return Cell((text,), note=interval_text(record))


def _names(counted: Counted, rows: list[Row], passes: list[str]) -> Fold:
    what = {OPERATORS: "", KERNELS: "kernels: ", WAITS: "waits: "}
    cells = []
    for row in rows:
        for pass_ in passes:
            found = [(title, counted.find(metric, row, pass_)) for metric, title in what.items()]
            told = [f"{title}{record.detail}" for title, record in found if record and record.detail]
            if told:
                named = technique_cells(row, rows)
                cells.append((*named, Cell((pass_title(pass_) or "call",)), Cell(("; ".join(told),))))
    columns = (*technique_columns(rows), Column("Pass"), Column("Operators, the most frequent first"))
    return Fold("All operators by name", (Table(columns, tuple(cells), heads=len(columns) - 1),))
