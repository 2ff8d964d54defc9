"""The further figures of an error; where a run tells kinds of input apart, none of them is judged."""

from __future__ import annotations

from gradgauge.records import Record, Verdict
from gradgauge.report import formatting
from gradgauge.report.blocks import Cell, Column, Table, mark
from gradgauge.report.budgets import subject_of
from gradgauge.report.kinds import kind_of
from gradgauge.report.tables.cells import EMPTY
from gradgauge.report.verdicts import quiet, worst_of

_OF_VALUES = {
    "value_p999_ulp": "99.9 %",
    "value_max_abs": "absolute",
    "value_max_rel": "relative",
    "value_cosine": "cosine",
}
_OF_GRADIENTS = {
    "gradient_p999_ulp": "99.9 %",
    "gradient_max_abs": "absolute",
    "gradient_max_rel": "relative",
    "gradient_cosine": "cosine",
    "gradient_tail_ulp": "tail",
    "gradient_error_ratio": "error / native error",
    "gradient_needless": "needless",
}
# Where a run tells kinds apart these are judged, and stand in the matrix.
_COUNTS_OF_OLD = {"value_nonfinite": "non-finite values", "gradient_nonfinite": "non-finite gradients"}
_TITLES = {
    "The errors of values": _OF_VALUES,
    "The errors of gradients": {**_OF_GRADIENTS, **_COUNTS_OF_OLD},
}
FIGURES = (*_OF_VALUES, *_OF_GRADIENTS, *_COUNTS_OF_OLD)
_MORE_IS_BETTER = ("value_cosine", "gradient_cosine")

Row = tuple[str, str, str]


def accuracy_tables(here: list[Record]) -> list[Table]:
    """Return a table of values and one of gradients, a row for each technique, dtype, and output or input."""
    tables = []
    for title, names in _TITLES.items():
        records = [item for item in here if item.metric in names and not _is_in_matrix(item)]
        metrics = [metric for metric in names if any(record.metric == metric for record in records)]
        if metrics:
            tables.append(_table(title, {metric: names[metric] for metric in metrics}, records))
    return tables


def _is_in_matrix(record: Record) -> bool:
    return record.metric in _COUNTS_OF_OLD and bool(kind_of(record))


def _table(title: str, names: dict[str, str], records: list[Record]) -> Table:
    grouped: dict[Row, list[Record]] = {}
    for record in records:
        grouped.setdefault((record.case.technique, record.case.dtype, subject_of(record)), []).append(record)
    grouped = _whole_beside_parts(grouped)
    rows = tuple(
        (
            Cell((technique,), note=subject),
            Cell((dtype,)),
            *(_cell([record for record in found if record.metric == metric]) for metric in names),
        )
        for (technique, dtype, subject), found in grouped.items()
    )
    columns = (Column("Technique"), Column("dtype"), *(Column(name, numeric=True) for name in names.values()))
    on = " on random inputs" if any(kind_of(record) == "random" for record in records) else ""
    caption = f"{title}{on}: the worst over shapes and layouts."
    if on:
        caption += " None of these is judged."
    if "gradient_error_ratio" in names:
        caption += " An error ratio of 1 is as good as native eager; above 1 is worse."
    if "gradient_needless" in names:
        caption += " Needless: gradients computed though nobody asked for them."
    return Table(columns, rows, caption, heads=2)


def _whole_beside_parts(grouped: dict[Row, list[Record]]) -> dict[Row, list[Record]]:
    """Return the rows, what belongs to no input joined to the first input of the same technique and dtype."""
    joined = dict(grouped)
    for row in grouped:
        technique, dtype, subject = row
        host = next((other for other in grouped if other[:2] == (technique, dtype) and other[2]), None)
        if not subject and host:
            joined[host] = [*joined[host], *joined.pop(row)]
    return joined


def _cell(records: list[Record]) -> Cell:
    if not records:
        return EMPTY
    worst = worst_of(records, more_is_better=records[0].metric in _MORE_IS_BETTER)
    if worst.value is None:
        unsaid = mark(worst.verdict) if worst.verdict is not Verdict.MEASURED else formatting.MISSING
        return Cell((unsaid,), tone=quiet(worst.verdict))
    shown = _figure(worst.metric, worst.value, worst.unit)
    if worst.verdict in (Verdict.MEASURED, Verdict.PASS):
        return Cell((shown,))
    return Cell((mark(worst.verdict, shown),), tone=quiet(worst.verdict))


def _figure(metric: str, value: float, unit: str) -> str:
    if metric in _MORE_IS_BETTER:
        return formatting.cosine(value)
    # A relative error is a ratio, but no factor.
    if metric.endswith(("_rel", "_abs")):
        return formatting.number(float(f"{value:.3g}"))
    return formatting.quantity(value, unit)
