"""Whatever was measured that no other section shows: a new suite needs no edit of the report."""

from __future__ import annotations

from gradgauge.records import Record
from gradgauge.report import formatting
from gradgauge.report.blocks import Block, Cell, Column, Fold, Heading, Paragraph, Table, mark, tone_of
from gradgauge.report.data import RunData, label_text
from gradgauge.report.discovery import EVERY, shown_metrics
from gradgauge.report.questions import Question
from gradgauge.report.summary import describe_case

TITLE = "Other measurements"
QUESTION = Question.TRUST
ORDER = 70
SHOWS: frozenset[tuple[str, str]] = frozenset()
_OPEN_ROWS = 30
_DIRECTION = {"lower": "Less is better.", "higher": "More is better.", None: ""}


def render(run: RunData) -> list[Block] | None:
    """Return a table for each metric of each suite that is left over; None where there is none."""
    shown = shown_metrics()
    left = [
        record
        for record in run.records
        if shown.isdisjoint({(record.suite, record.metric), (record.suite, EVERY)}) and record.metric != "availability"
    ]
    blocks: list[Block] = []
    for suite, metric in dict.fromkeys((record.suite, record.metric) for record in left):
        blocks += _metric(run, suite, metric, [item for item in left if (item.suite, item.metric) == (suite, metric)])
    silent = _declared_without_record(run)
    if silent:
        blocks.append(Paragraph((f"Declared, but without a record in this run: {', '.join(silent)}.",), muted=True))
    return blocks or None


def _metric(run: RunData, suite: str, metric: str, records: list[Record]) -> list[Block]:
    declared = run.description.metrics.get(metric)
    question = run.description.suites.get(suite, "")
    said = " ".join(
        part for part in (declared.help if declared else "", _DIRECTION[declared.better if declared else None]) if part
    )
    columns = (Column("Case"), Column("Value", numeric=True), Column("Verdict"), Column("Detail"))
    table = Table(columns, tuple(_row(record) for record in records))
    body: Block = table if len(records) <= _OPEN_ROWS else Fold(f"All {len(records)} records of {metric}", (table,))
    text = " ".join(part for part in (question, said) if part)
    return [Heading(f"{suite}: {metric}"), *([Paragraph((text,))] if text else []), body]


def _row(record: Record) -> tuple[Cell, ...]:
    return (
        Cell((describe_case(record.case),), note=label_text(record)),
        Cell(
            (formatting.quantity(record.value, record.unit),),
            note=formatting.interval(record.low, record.high, record.unit),
        ),
        Cell((mark(record.verdict),), tone=tone_of(record.verdict) if tone_of(record.verdict) != "good" else "plain"),
        Cell((record.detail,)),
    )


def _declared_without_record(run: RunData) -> list[str]:
    """Return what nobody shows and nobody recorded; a section knows itself what it lacks, such as kernels on a CPU."""
    known = {record.metric for record in run.records} | {metric for _, metric in shown_metrics()} | {"availability"}
    return sorted(name for name in run.description.metrics if name not in known)
