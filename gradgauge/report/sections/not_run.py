"""What could not run and why, and what was left out: nothing is missing in silence."""

from __future__ import annotations

from gradgauge.records import Record, Verdict
from gradgauge.report.behavior import is_behavior
from gradgauge.report.blocks import Block, Bullets, Cell, Code, Column, Fold, Heading, Table, mark
from gradgauge.report.data import RunData, label_text
from gradgauge.report.formatting import plural
from gradgauge.report.questions import Question
from gradgauge.report.summary import unmeasured

TITLE = "What did not run"
QUESTION = Question.TRUST
ORDER = 80
SHOWS: frozenset[tuple[str, str]] = frozenset()
_WITHOUT_VALUE = (Verdict.UNAVAILABLE, Verdict.UNSUPPORTED, Verdict.NOT_APPLICABLE)
_MOST_UNMEASURED = 500

# Function, technique, verdict, detail → what is concerned.
Grouped = dict[tuple[str, str, Verdict, str], list[str]]


def render(run: RunData) -> list[Block] | None:
    """Return the techniques that could not run, what was left out, and what was planned without a record."""
    blocks: list[Block] = [*_could_not(run)]
    if run.description.left_out:
        rows = tuple((Cell((Code(what),)), Cell((reason or "—",))) for what, reason in run.description.left_out)
        blocks += [Heading("Left out"), Table((Column("What"), Column("Why")), rows)]
    missing = unmeasured(run)
    if missing:
        items = tuple((Code(case),) for case in missing[:_MOST_UNMEASURED])
        title = plural(len(missing), "planned case has no record", "planned cases have no record")
        blocks += [Heading("Planned, without a record"), Fold(title, (Bullets(items),))]
    return blocks or None


def _could_not(run: RunData) -> list[Block]:
    grouped: Grouped = {}
    for record in run.records:
        if record.verdict in _WITHOUT_VALUE and not is_behavior(record):
            key = (record.case.function, record.case.technique.strip(" ·"), record.verdict, record.detail)
            grouped.setdefault(key, []).append(_concern(record))
    listed = {(function, technique) for function, technique, _, _ in grouped}
    for function in run.selected_functions():
        entry = run.description.functions.get(function)
        for name, implementation in entry.implementations.items() if entry else ():
            for mode, state in implementation.modes.items():
                if not state.available and (function, f"{name} · {mode}") not in listed:
                    grouped[function, f"{name} · {mode}", Verdict.UNAVAILABLE, state.reason] = ["catalog"]
    could_not = {key: what for key, what in grouped.items() if key[2] is not Verdict.NOT_APPLICABLE}
    did_not_apply = {key: what for key, what in grouped.items() if key[2] is Verdict.NOT_APPLICABLE}
    blocks: list[Block] = [Heading("Could not run"), _table(could_not)] if could_not else []
    if did_not_apply:
        title = f"{plural(len(did_not_apply), 'remark')} on what has no value"
        blocks += [Heading("Did not apply"), Fold(title, (_table(did_not_apply),))]
    return blocks


def _table(grouped: Grouped) -> Table:
    rows = tuple(
        (
            Cell((Code(technique),), note=function),
            Cell((mark(verdict),)),
            Cell((detail or "no reason recorded",)),
            Cell((", ".join(dict.fromkeys(what)),)),
        )
        for (function, technique, verdict, detail), what in grouped.items()
    )
    return Table((Column("Technique"), Column("Verdict"), Column("Why"), Column("Concerns")), rows)


def _concern(record: Record) -> str:
    labels = label_text(record)
    return f"{record.suite} {record.metric}{f' ({labels})' if labels else ''}".strip()
