"""What is wrong: every failure and crash, each fault once, and every file that could not be read."""

from __future__ import annotations

from gradgauge.records import Record
from gradgauge.report import formatting
from gradgauge.report.agreement import failures
from gradgauge.report.blocks import Block, Cell, Code, Column, Heading, Paragraph, Table, mark, tone_of
from gradgauge.report.data import RunData, label_text
from gradgauge.report.faults import ATLAS, Fault, faults_of
from gradgauge.report.summary import describe_case
from gradgauge.report.verdicts import worst_of

TITLE = "What is wrong"
ORDER = 20
SHOWS: frozenset[tuple[str, str]] = frozenset()
_MOST_ROWS = 200


def render(run: RunData) -> list[Block] | None:
    """Return the faults with the case that shows each best; None where there is none."""
    faults = _faults(failures(run))
    blocks: list[Block] = []
    if faults:
        blocks.append(Table(_COLUMNS, tuple(_row(fault) for fault in faults[:_MOST_ROWS]), heads=1))
    if len(faults) > _MOST_ROWS:
        rest = formatting.plural(len(faults) - _MOST_ROWS, "more fault")
        blocks.append(Paragraph((f"… and {rest} in records.jsonl.",), muted=True))
    if run.description.broken:
        rows = tuple(
            (Cell((Code(f"{item.file}:{item.line}" if item.line else item.file),)), Cell((item.message,), tone="bad"))
            for item in run.description.broken
        )
        blocks += [Heading("Files that could not be read"), Table((Column("File"), Column("What is wrong")), rows)]
    return blocks or None


_COLUMNS = (
    Column("Case", note="the one that shows it best"),
    Column("Metric"),
    Column("Verdict"),
    Column("Worst value", numeric=True),
    Column("Detail"),
    Column("Shows in"),
)


def _faults(failed: tuple[Record, ...]) -> list[Fault]:
    implementations: dict[tuple[str, str, str], list[Record]] = {}
    for record in failed:
        key = (record.case.function, record.case.implementation, record.suite)
        implementations.setdefault(key, []).append(record)
    return [fault for records in implementations.values() for fault in faults_of(records)]


def _row(fault: Fault) -> tuple[Cell, ...]:
    record, worst = fault.record, worst_of(fault.records)
    return (
        Cell((describe_case(record.case),), note=label_text(record)),
        Cell((Code(record.metric),), note=record.suite),
        Cell((mark(record.verdict),), tone=tone_of(record.verdict)),
        Cell((formatting.quantity(worst.value, worst.unit),)),
        Cell((fault.what if record.metric in ATLAS else record.detail or "no detail recorded",)),
        Cell((formatting.plural(len(fault.records), "record"),), note=_spread(fault)),
    )


def _spread(fault: Fault) -> str:
    """Return over what several records spread: modes, dtypes, shapes and kinds of input."""
    cases = [record.case for record in fault.records]
    axes = {
        "mode": {case.mode for case in cases},
        "dtype": {case.dtype for case in cases},
        "shape": {case.shape for case in cases},
        "device": {case.device for case in cases},
    }
    said = [formatting.plural(len(found), name) for name, found in axes.items() if len(found) > 1]
    if len(fault.kinds) > 1:
        said.append(formatting.plural(len(fault.kinds), "kind of input", "kinds of input"))
    return ", ".join(said)
