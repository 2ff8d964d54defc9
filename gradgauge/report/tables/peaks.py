"""What the machine can do at best, and what the harness costs: the measurements that belong to no function."""

from __future__ import annotations

from gradgauge.records import Record
from gradgauge.report.blocks import Cell, Column, Table
from gradgauge.report.data import RunData, label_text
from gradgauge.report.tables.cells import (
    EMPTY,
    interval_text,
    ordered_passes,
    pass_title,
    value_text,
    valueless_cell,
)

PEAKS = ("peak_bandwidth", "peak_flops")
OVERHEAD, FUNCTION_OVERHEAD = "overhead", "function_overhead"
OVERHEADS = (OVERHEAD, FUNCTION_OVERHEAD)
_OVERHEADS = {OVERHEAD: "the harness", FUNCTION_OVERHEAD: "a custom Function"}
_COSTS = {
    OVERHEAD: (
        "What a call costs that does nothing and differentiates nothing, averaged over the many calls of a round: the "
        "loop, the cotangents and the clearing of gradients, which are part of every time by the wall clock. It is not "
        "subtracted."
    ),
    FUNCTION_OVERHEAD: (
        "A custom Function: what a torch.autograd.Function costs a call above PyTorch's own operator, on one element; "
        "what it saves must first win that back."
    ),
}
_WORK = {
    "copy": "copy_ into a given tensor",
    "clone": "a copy into a new tensor",
    "sigmoid": "a sigmoid into a given tensor",
    "matmul": "a matrix product",
}


def peak_tables(run: RunData) -> list[Table]:
    """Return the measured peaks by device, workload and shape; nothing where none was measured."""
    records = [record for metric in PEAKS for record in run.measured("machine", metric)]
    if not records:
        return []
    several = len({record.case.device for record in records}) > 1
    rows = tuple(
        (
            Cell((record.case.implementation,), note=_WORK.get(record.case.implementation, "")),
            Cell((record.case.shape or "—",), note=record.case.dtype),
            *((Cell((record.case.device,)),) if several else ()),
            _cell(record),
        )
        for record in sorted(records, key=lambda record: record.case.device)
    )
    device = "" if several else f" on {records[0].case.device}" if records[0].case.device else ""
    columns = (
        Column("Work"),
        Column("Shape"),
        *((Column("Device"),) if several else ()),
        Column("Achieved", numeric=True),
    )
    caption = (
        f"The most that this machine did{device}, with the 95 % interval: bytes read and written, or operations, a "
        "second. Small shapes may stay in a cache."
    )
    return [Table(columns, rows, caption, heads=2)]


def overhead_tables(run: RunData) -> list[Table]:
    """Return what a call costs besides its work, by device and pass; nothing where it was not measured.

    That is the harness's own cost and, in newer runs, what a custom autograd.Function costs above a native operator.
    """
    records = [record for metric in OVERHEADS for record in run.measured("machine", metric)]
    passes = ordered_passes([record.case.pass_ for record in records])
    found: dict[tuple[str, str, str], dict[str, Record]] = {}
    for record in records:
        key = record.metric, record.case.device, label_text(record)
        found.setdefault(key, {})[record.case.pass_] = record
    has_function = any(metric == FUNCTION_OVERHEAD for metric, *_ in found)
    rows = tuple(
        (
            *((Cell((_OVERHEADS[metric],)),) if has_function else ()),
            Cell((device or "—",), note=labels),
            *(_cell(cells[pass_]) if pass_ in cells else EMPTY for pass_ in passes),
        )
        for (metric, device, labels), cells in found.items()
    )
    columns = (
        *((Column("What"),) if has_function else ()),
        Column("Device"),
        *(Column(pass_title(pass_) or "call", numeric=True) for pass_ in passes),
    )
    caption = " ".join(said for metric, said in _COSTS.items() if any(key[0] == metric for key in found))
    return [Table(columns, rows, caption, heads=2 if has_function else 1)] if rows else []


def _cell(record: Record) -> Cell:
    return valueless_cell(record) if record.value is None else Cell((value_text(record),), note=interval_text(record))
