"""The slopes taken at kinks: conventions, beside what was declared and what is right."""

from __future__ import annotations

from gradgauge.records import Record
from gradgauge.report import formatting
from gradgauge.report.blocks import Cell, Column, Table, mark
from gradgauge.report.description import FunctionEntry
from gradgauge.report.formatting import plural
from gradgauge.report.verdicts import quiet, worst_of

SLOPE = "kink_slope"
_MOST_NAMES = 2


def slopes_table(entry: FunctionEntry | None, here: list[Record]) -> Table | None:
    """Return a row for each technique, kink and slope taken; None where none was measured."""
    grouped: dict[tuple[str, str, str, str], list[Record]] = {}
    for record in here:
        if record.metric == SLOPE:
            slope = formatting.MISSING if record.value is None else formatting.number(record.value)
            key = (record.case.technique, record.labels.get("kink", ""), slope, str(record.verdict))
            grouped.setdefault(key, []).append(record)
    allowed = {kink.name: kink.slopes for kink in entry.kinks} if entry else {}
    rows = []
    for (technique, kink, slope, _), records in grouped.items():
        worst = worst_of(records)
        span = allowed.get(kink)
        implementation = entry.implementations.get(worst.case.implementation) if entry else None
        declared = implementation.convention.get(kink) if implementation else None
        said = worst.detail if worst.verdict.is_failure or len(records) == 1 else ""
        rows.append(
            (
                Cell((technique,), note=_where(records)),
                Cell((kink,)),
                Cell((mark(worst.verdict, slope),), note=said, tone=quiet(worst.verdict)),
                Cell(("—" if declared is None else formatting.number(declared),)),
                Cell(("—" if span is None else f"{formatting.number(min(span))} … {formatting.number(max(span))}",)),
            )
        )
    columns = (
        Column("Technique"),
        Column("Kink"),
        Column("Slope taken"),
        Column("Declared"),
        Column("Right is anything in"),
    )
    caption = "The slope at kinks: a convention, not an error, as long as it lies between"
    return Table(columns, tuple(rows), caption) if rows else None


def _where(records: list[Record]) -> str:
    dtypes = list(dict.fromkeys(record.case.dtype for record in records))
    shapes = len({record.case.shape for record in records})
    said = ", ".join(dtypes) if len(dtypes) <= _MOST_NAMES else plural(len(dtypes), "dtype")
    return f"{said}, {plural(shapes, 'shape')}" if shapes > 1 else said
