"""Why the verdicts can be trusted: what budgets reject, and how exact the oracle itself is."""

from __future__ import annotations

import re

from gradgauge.records import Record
from gradgauge.report import formatting
from gradgauge.report.blocks import Cell, Column, Table, mark
from gradgauge.report.budgets import ErrorBudgets, subject_of
from gradgauge.report.tables.cells import EMPTY
from gradgauge.report.tables.worst import ERRORS, dtypes_of
from gradgauge.report.verdicts import quiet

EXACTNESS = {"reference_value_ulp": "value", "reference_gradient_ulp": "gradient"}
_POWER = re.compile(
    r"(half of the elements at most (?P<half>\S+) ulp; )?"
    r"(?P<tried>of .*), (?P<fault>[^,]+) comes nearest: (?P<times>[^;\s]+) times what is excused(; .*)?"
)


def budgets_table(function: str, here: list[Record], budgets: ErrorBudgets) -> Table | None:
    """Return the budget of each output and input by dtype, with its proof of power; None where none was derived."""
    dtypes = [dtype for dtype in dtypes_of(here) if any(budgets.records(function, dtype, what) for what in ERRORS)]
    subjects = list(
        dict.fromkeys(
            (what, subject) for what in ERRORS for dtype in dtypes for subject in budgets.records(function, dtype, what)
        )
    )
    if not subjects:
        return None
    rows = []
    for what, subject in subjects:
        filed = [budgets.records(function, dtype, what).get(subject) for dtype in dtypes]
        rows.append((Cell((_title(what, subject),)), *(_budget_cell(record) for record in filed)))
    caption = (
        "Error budgets: what correctly rounded steps may cost, element by element; here the budget that 99 % of the "
        "elements keep to, and half of them. Below each, the fault that comes nearest to passing, and how many times "
        f"what is excused it errs by{_tried(here)}."
    )
    return Table((Column("Budget of"), *(Column(dtype) for dtype in dtypes)), tuple(rows), caption)


def exactness_table(here: list[Record]) -> Table | None:
    """Return how far the reference in float64 is from 50 digits; None where the run does not say."""
    records = [record for record in here if record.metric in EXACTNESS]
    rows = tuple(
        (
            Cell((_title(EXACTNESS[record.metric], subject_of(record)),)),
            Cell((mark(record.verdict, formatting.quantity(record.value, record.unit)),), tone=quiet(record.verdict)),
            Cell((record.detail or formatting.MISSING,)),
        )
        for record in records
    )
    columns = (Column("Reference"), Column("Largest error"), Column("Where"))
    caption = "The reference in float64, which the oracle is, against 50 digits; in ulps of float64"
    return Table(columns, rows, caption) if rows else None


def _budget_cell(record: Record | None) -> Cell:
    if record is None:
        return EMPTY
    found = _POWER.fullmatch(record.detail)
    note = record.detail
    if found:
        note = f"{found['fault']}: {formatting.number(float(found['times']))} ×"
        half = found["half"]
        note = f"half: {half} · {note}" if half else note
    shown = formatting.quantity(record.value, record.unit)
    return Cell((mark(record.verdict, shown),), note=note, tone=quiet(record.verdict))


def _tried(here: list[Record]) -> str:
    matches = (_POWER.fullmatch(record.detail) for record in here if record.metric.endswith("_budget_ulp"))
    tried = next((found["tried"] for found in matches if found), "")
    return f" ({tried})" if tried else ""


def _title(what: str, subject: str) -> str:
    if not subject:
        return what
    return f"{what} of {subject}" if what == "gradient" else f"{what}, output {subject}"
