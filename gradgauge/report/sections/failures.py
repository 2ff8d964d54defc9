"""What is wrong: every failure, every crash, every file that could not be read."""

from __future__ import annotations

from gradgauge.records import Record
from gradgauge.report import formatting
from gradgauge.report.agreement import failures
from gradgauge.report.blocks import Block, Cell, Code, Column, Heading, Paragraph, Table, mark, tone_of
from gradgauge.report.data import RunData, label_text
from gradgauge.report.summary import describe_case

TITLE = "What is wrong"
ORDER = 20
SHOWS: frozenset[tuple[str, str]] = frozenset()
_MOST_ROWS = 200


def render(run: RunData) -> list[Block] | None:
    """Return the failures with case, metric and detail; None where there is none."""
    failed = failures(run)
    blocks: list[Block] = []
    if failed:
        blocks.append(Table(_COLUMNS, tuple(_row(record) for record in failed[:_MOST_ROWS]), heads=1))
    if len(failed) > _MOST_ROWS:
        rest = formatting.plural(len(failed) - _MOST_ROWS, "more record")
        blocks.append(Paragraph((f"… and {rest} in records.jsonl.",), muted=True))
    if run.description.broken:
        rows = tuple(
            (Cell((Code(f"{item.file}:{item.line}" if item.line else item.file),)), Cell((item.message,), tone="bad"))
            for item in run.description.broken
        )
        blocks += [Heading("Files that could not be read"), Table((Column("File"), Column("What is wrong")), rows)]
    return blocks or None


_COLUMNS = (Column("Case"), Column("Metric"), Column("Verdict"), Column("Value", numeric=True), Column("Detail"))


def _row(record: Record) -> tuple[Cell, ...]:
    return (
        Cell((describe_case(record.case),), note=label_text(record)),
        Cell((Code(record.metric),), note=record.suite),
        Cell((mark(record.verdict),), tone=tone_of(record.verdict)),
        Cell((formatting.quantity(record.value, record.unit),)),
        Cell((record.detail or "no detail recorded",)),
    )
