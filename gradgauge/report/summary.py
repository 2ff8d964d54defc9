"""What a run says, in words: shared by the report's first section and the terminal."""

from __future__ import annotations

from dataclasses import dataclass

from gradgauge.cases import REFERENCE
from gradgauge.records import Record, Verdict
from gradgauge.report.agreement import Status, expected_reasons, failures, standings
from gradgauge.report.control import controls
from gradgauge.report.data import RunData
from gradgauge.report.formatting import listed, plural, shortened
from gradgauge.report.labels import common_words
from gradgauge.report.ranking import recommendations

MAX_LINES = 20
_MAX_PROBLEM_LINES = 7
_MAX_LENGTH = 400


@dataclass(frozen=True)
class Remark:
    """Something said of techniques of one function, or of a device. subject: `relu: published`; text: why."""

    subject: str
    text: str


def state_of(run: RunData) -> list[str]:
    """Return what keeps the run from being whole, in sentences; nothing where it is complete and holds records."""
    said = []
    if not run.description.complete:
        missing = len(unmeasured(run))
        rest = f": {plural(missing, 'planned case has', 'planned cases have')} no record" if missing else ""
        said.append(f"The run did not finish{rest}.")
    if not run.records:
        said.append("Nothing was measured: the run holds no record.")
    said += [f"The last line of {name} was cut short and is left out." for name in run.cut_short]
    return said


def unmeasured(run: RunData) -> list[str]:
    """Return the planned cases that have no record, as `suite: case`.

    A record of the metric `availability` covers every case of its technique whose other axes it leaves blank.
    """
    recorded = {(record.suite, record.case) for record in run.records}
    covering = [record.case for record in run.records if record.metric == "availability"]
    techniques = {(case.function, case.implementation, case.mode) for case in covering}
    return [
        f"{planned.suite}: {describe_case(planned.case)}"
        for planned in run.description.planned
        if (planned.suite, planned.case) not in recorded
        and (planned.case.function, planned.case.implementation, planned.case.mode) not in techniques
    ]


def describe_case(case: object) -> str:
    """Return a case's filled axes: `relu · where · eager · backward · cpu · float32 · 64x64`."""
    axes = vars(case)
    return " · ".join(value for key, value in axes.items() if value and value != "contiguous")


def drifting(run: RunData) -> list[Remark]:
    """Return the devices whose control moved by more than a comparison can bear, by how much and what that means."""
    meaning = (
        "Times from different moments of this run may differ by as much for no fault of the code; speedups, from "
        "rounds taken in turns, suffer less. Measure again on a machine that does nothing else."
    )
    return [
        Remark(control.device or "a device", f"the control took {control.drift_in_words}. {meaning}")
        for control in controls(run)
        if control.has_drifted
    ]


def failing(run: RunData) -> list[Remark]:
    """Return what is wrong, one remark for each technique that fails or crashes, then the broken files."""
    grouped: dict[tuple[str, str], list[Record]] = {}
    for record in failures(run):
        grouped.setdefault((record.case.function, record.case.technique.strip(" ·")), []).append(record)
    remarks = [Remark(": ".join(filter(None, subject)), _failure_text(records)) for subject, records in grouped.items()]
    for broken in run.description.broken:
        where = broken.file if broken.line is None else f"{broken.file}:{broken.line}"
        remarks.append(Remark(where, f"could not be read: {broken.message}"))
    return remarks


def disagreeing_as_expected(run: RunData) -> list[Remark]:
    """Return the implementations that disagree and say so themselves, with their reasons."""
    modes: dict[tuple[str, str], list[str]] = {}
    for record in run.records:
        if record.verdict is Verdict.EXPECTED_FAIL:
            modes.setdefault((record.case.function, record.case.implementation), []).append(record.case.mode)
    return [
        Remark(
            f"{function}: {implementation}",
            f"({listed(list(dict.fromkeys(found)))}) " + " ".join(expected_reasons(run, function, implementation)),
        )
        for (function, implementation), found in modes.items()
    ]


def not_run(run: RunData) -> list[Remark]:
    """Return what could not run, one remark for each technique and reason."""
    grouped: dict[tuple[str, Verdict, str], list[Record]] = {}
    for record in run.records:
        if record.verdict in (Verdict.UNAVAILABLE, Verdict.UNSUPPORTED):
            subject = ": ".join(filter(None, (record.case.function, record.case.technique.strip(" ·"))))
            grouped.setdefault((subject, record.verdict, record.detail), []).append(record)
    return [
        Remark(subject, f"{verdict}{_concerned(records)}: {detail or 'no reason recorded'}")
        for (subject, verdict, detail), records in grouped.items()
    ]


def unchecked(run: RunData) -> list[str]:
    """Return the techniques that no check of gradients judged, as `function: technique`."""
    measured = {(record.case.function, record.case.technique) for record in run.records if record.value is not None}
    found = standings(run).items()
    return [f"{key[0]}: {key[1]}" for key, own in found if own.status is Status.UNCHECKED and key in measured]


def terminal_lines(run: RunData) -> list[str]:
    """Return at most 20 lines: whether anything is wrong, then what to use."""
    wrong = failing(run)
    head = [*state_of(run)]
    head += [f"≈ {remark.subject} did not hold still: {remark.text}" for remark in drifting(run)]
    if wrong:
        head.append(f"{plural(len(wrong), 'thing is', 'things are')} wrong:")
        head += _cut([f"  ✗ {remark.subject}: {remark.text}" for remark in wrong], _MAX_PROBLEM_LINES)
    elif any(record.value is not None for record in run.records):
        head.append(f"Nothing failed in {plural(len(run.records), 'record')}.")
    expected = disagreeing_as_expected(run)
    if expected:
        head.append(f"Disagree as they say themselves: {', '.join(remark.subject for remark in expected)}.")
    skipped = {remark.subject for remark in not_run(run)}
    if skipped:
        head.append(f"Could not run, or not all of it: {', '.join(sorted(skipped))}.")
    if run.description.left_out:
        count = plural(len(run.description.left_out), "group")
        head.append(f"{count} of cases left out by the preset or its time; the report names them.")
    advice = []
    for found in recommendations(run):
        told = found.is_claim and found.speedups and found.names[0] != f"{REFERENCE} · eager"
        speed = f", {found.speedups} the speed of the reference" if told else ""
        caveat = f" (agreement not checked: {listed(list(found.unchecked))})" if found.unchecked else ""
        where = f"{found.place.function}, {found.purpose} ({found.place.finding_title}, {found.shapes})"
        advice.append(f"{where}: {found.sentence}{speed}{caveat}")
    head = _cut([_one_line(line) for line in head], MAX_LINES - min(len(advice), 8))
    return [*head, *_cut([_one_line(line) for line in advice], MAX_LINES - len(head))]


def _failure_text(records: list[Record]) -> str:
    worst = records[0]
    what = f"{worst.metric}: {worst.detail}" if worst.detail else f"{worst.metric} {worst.verdict}"
    more = f" (and {plural(len(records) - 1, 'more record')})" if len(records) > 1 else ""
    crashed = "crashed, " if worst.verdict is Verdict.CRASHED else ""
    return f"{crashed}{what}{more}"


def _concerned(records: list[Record]) -> str:
    passes = [pass_ for pass_ in dict.fromkeys(record.case.pass_ for record in records) if pass_]
    said = ", ".join(filter(None, (listed(passes) if passes else "", common_words(records))))
    return f" ({said})" if said else ""


def _cut(lines: list[str], limit: int) -> list[str]:
    if len(lines) <= limit:
        return lines
    return [*lines[: limit - 1], f"… and {plural(len(lines) - limit + 1, 'more line')}: see the report."]


def _one_line(line: str) -> str:
    return shortened(" ⏎ ".join(line.splitlines()), _MAX_LENGTH)
