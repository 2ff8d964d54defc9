"""Where the time of a step goes: one row a technique, and for each technique one row an operator."""

from __future__ import annotations

from collections.abc import Sequence

from gradgauge.report.blocks import Cell, Column, Table
from gradgauge.report.formatting import number, percent, plural, time
from gradgauge.report.profiled import Profiled, Taker, top_and_rest
from gradgauge.report.tables.cells import EMPTY, valueless_cell
from gradgauge.traces import DEVICE, HOST

_MOST_ROWS = 8


def overview_table(found: Sequence[Profiled]) -> Table:
    """Return a row a technique: its step, what takes most of it, and how much of it is a gap."""
    has_device = any(DEVICE in profiled.busy for profiled in found)
    columns = (
        Column("Technique"),
        Column("Step", numeric=True, note="under the profiler"),
        Column("Takes most"),
        Column("No operator runs", numeric=True, note="share of the step"),
        *((Column("Device idle", numeric=True, note="share of the step"),) if has_device else ()),
    )
    caption = (
        "Takes most: on the host, without what it calls. Where no operator runs, Python, autograd's engine or what "
        "guards compiled code is at work."
    )
    return Table(columns, tuple(_row(profiled, has_device=has_device) for profiled in found), caption)


def operator_tables(profiled: Profiled) -> list[Table]:
    """Return what takes the time on the host and on the device, the most first."""
    where = {HOST: "On the host", DEVICE: f"On {profiled.case.device}"}
    found = []
    for key, title in where.items():
        takers = profiled.takers.get(key, [])
        if takers:
            found.append(_table(profiled, takers, title))
    return found


def _row(profiled: Profiled, *, has_device: bool) -> tuple[Cell, ...]:
    step = profiled.step
    failed = step is not None and step.value is None
    return (
        Cell((profiled.case.technique,)),
        valueless_cell(step) if step is not None and failed else _seconds(profiled.step_s),
        Cell((step.detail or "—",)) if step is not None and failed else Cell((profiled.most or "—",)),
        _share(profiled.gap(HOST)),
        *((_share(profiled.gap(DEVICE)),) if has_device else ()),
    )


def _table(profiled: Profiled, takers: Sequence[Taker], title: str) -> Table:
    top, rest = top_and_rest(takers, _MOST_ROWS)
    columns = (
        Column("Operator"),
        Column("Self time", numeric=True, note="a step"),
        Column("Of the step", numeric=True),
        Column("Calls", numeric=True, note="a step"),
    )
    rows = tuple(
        (
            Cell((taker.name,)),
            Cell((time(taker.self_s),)),
            Cell((profiled.share(taker.self_s),)),
            EMPTY if taker.calls is None else Cell((number(float(f"{taker.calls:.4g}")),)),
        )
        for taker in (*top, *([rest] if rest else []))
    )
    steps = profiled.step.samples if profiled.step else None
    mean = f"mean of {plural(steps, 'step')}" if steps else "mean of the steps"
    return Table(columns, rows, f"{title}, without what each calls: {mean} under the profiler", is_dense=True)


def _seconds(value_s: float | None) -> Cell:
    return EMPTY if value_s is None else Cell((time(value_s),))


def _share(value: float | None) -> Cell:
    return EMPTY if value is None else Cell((percent(value),))
