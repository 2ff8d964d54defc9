"""What is wrong: each fault once with the smallest input that shows it, broken files, noise, known disagreements."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from gradgauge.records import Record, Verdict
from gradgauge.report import formatting
from gradgauge.report.agreement import expected_reasons, failures
from gradgauge.report.blocks import (
    Block,
    Cell,
    Code,
    Column,
    Fold,
    Heading,
    Listing,
    Paragraph,
    Strong,
    Table,
    mark,
)
from gradgauge.report.data import RunData
from gradgauge.report.evidence import Evidence, evidence_of
from gradgauge.report.faults import ATLAS, Fault, faults_of
from gradgauge.report.questions import Question
from gradgauge.report.unsteady import unsteady

TITLE = "What is wrong"
QUESTION = Question.WRONG
ORDER = 20
SHOWS: frozenset[tuple[str, str]] = frozenset()
_OPEN_FAULTS, _MOST_FAULTS = 6, 200
_AGREED = "expected to disagree, agreed"


def render(run: RunData) -> list[Block] | None:
    """Return failures, unexpected passes, broken files, noise, then, folded, known disagreements; None without any."""
    faults = _ordered(run, _faults(failures(run)))
    agreed = [fault for fault, _ in faults if _AGREED in fault.record.detail]
    wrong = [(fault, evidence) for fault, evidence in faults if fault not in agreed]
    blocks: list[Block] = _told(wrong)
    if agreed:
        blocks.append(Heading("Expected to disagree, and agree"))
        blocks += [Paragraph((Strong(_who(fault)), f": {fault.record.detail}")) for fault in agreed]
    blocks += _broken(run)
    blocks += unsteady(run)
    known = _known(run)
    if known and not blocks:
        blocks.append(Paragraph((f"Nothing failed in {formatting.plural(len(run.records), 'record')}.",)))
    return [*blocks, *known] or None


def _faults(failed: Iterable[Record]) -> list[Fault]:
    implementations: dict[tuple[str, str, str], list[Record]] = {}
    for record in failed:
        key = (record.case.function, record.case.implementation, record.suite)
        implementations.setdefault(key, []).append(record)
    return [fault for records in implementations.values() for fault in faults_of(records)]


def _ordered(run: RunData, faults: list[Fault]) -> list[tuple[Fault, Evidence | None]]:
    """Return the faults with what shows them: the smallest first, of one implementation together, crashes last."""
    found = [(fault, evidence_of(run, fault)) for fault in faults]
    size = {id(fault): (fault.record.verdict is Verdict.CRASHED, _size(evidence)) for fault, evidence in found}
    least: dict[tuple[str, str], tuple[bool, float]] = {}
    for fault, _ in found:
        key = _implementation(fault)
        least[key] = min(least.get(key, (True, math.inf)), size[id(fault)])
    return sorted(
        found, key=lambda pair: (least[_implementation(pair[0])], _implementation(pair[0]), size[id(pair[0])])
    )


def _size(evidence: Evidence | None) -> float:
    return evidence.elements if evidence else math.inf


def _implementation(fault: Fault) -> tuple[str, str]:
    return fault.record.case.function, fault.record.case.implementation


def _told(wrong: Sequence[tuple[Fault, Evidence | None]]) -> list[Block]:
    """Return the first fault of each implementation, its others folded below it; of many implementations a few open."""
    grouped: dict[tuple[str, str], list[tuple[Fault, Evidence | None]]] = {}
    for fault, evidence in wrong[:_MOST_FAULTS]:
        grouped.setdefault(_implementation(fault), []).append((fault, evidence))
    told = [_implementation_blocks(found) for found in grouped.values()]
    blocks = [block for each in told[:_OPEN_FAULTS] for block in each]
    rest = [block for each in told[_OPEN_FAULTS:] for block in each]
    if rest:
        more = formatting.plural(
            len(told) - _OPEN_FAULTS, "more implementation is wrong", "more implementations are wrong"
        )
        blocks.append(Fold(more, tuple(rest)))
    if len(wrong) > _MOST_FAULTS:
        more = formatting.plural(len(wrong) - _MOST_FAULTS, "more fault")
        blocks.append(Paragraph((f"… and {more} in records.jsonl.",), muted=True))
    return blocks


def _implementation_blocks(found: list[tuple[Fault, Evidence | None]]) -> list[Block]:
    first, *others = (_fault(fault, evidence) for fault, evidence in found)
    if not others:
        return first
    title = f"{formatting.plural(len(others), 'more fault')} of {': '.join(_implementation(found[0][0]))}"
    return [*first, Fold(title, tuple(block for each in others for block in each))]


def _fault(fault: Fault, evidence: Evidence | None) -> list[Block]:
    what = fault.what
    if evidence and evidence.shows and what.startswith("at "):
        what = f"the {evidence.shows} is wrong"
    if not fault.record.detail and fault.metric not in ATLAS:
        what = f"{fault.metric} {fault.record.verdict}"
    title = Heading(f"{_who(fault)}: {what}")
    shows_in = f"{formatting.plural(len(fault.records), 'record')}{_spread(fault)}"
    blocks: list[Block] = [title, Paragraph((mark(fault.record.verdict), " ", Code(fault.metric), f" in {shows_in}."))]
    if evidence is None:
        return blocks
    if evidence.smallest:
        blocks.append(Paragraph((Strong("Smallest input: "), evidence.smallest)))
    return [*blocks, Listing(evidence.code, evidence.caption)] if evidence.code else blocks


def _who(fault: Fault) -> str:
    return " · ".join(filter(None, (fault.record.case.function, fault.technique)))


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
    return f": {', '.join(said)}" if said else ""


def _broken(run: RunData) -> list[Block]:
    if not run.description.broken:
        return []
    rows = tuple(
        (Cell((Code(f"{item.file}:{item.line}" if item.line else item.file),)), Cell((item.message,), tone="bad"))
        for item in run.description.broken
    )
    return [Heading("Files that could not be read"), Table((Column("File"), Column("What is wrong")), rows)]


def _known(run: RunData) -> list[Block]:
    """Return, folded for each implementation, what it is known to disagree in, and what shows it."""
    expected = [record for record in run.records if record.verdict is Verdict.EXPECTED_FAIL]
    grouped: dict[tuple[str, str], list[Record]] = {}
    for record in expected:
        grouped.setdefault((record.case.function, record.case.implementation), []).append(record)
    blocks: list[Block] = []
    for (function, implementation), records in grouped.items():
        reasons = " ".join(expected_reasons(run, records))
        told = [block for fault, found in _ordered(run, _faults(records)) for block in _fault(fault, found)]
        title = f"Known to disagree, as it says itself: {function} · {implementation}"
        blocks.append(Fold(title, (Paragraph((reasons,)), *told)))
    return blocks
