"""What a run says, in words: shared by the report's first section and the terminal."""

from __future__ import annotations

from dataclasses import dataclass

from gradgauge.records import Record, Verdict
from gradgauge.report.agreement import Status, failures, standings
from gradgauge.report.behavior import is_behavior
from gradgauge.report.control import controls
from gradgauge.report.counted import METRICS as COUNTING
from gradgauge.report.data import RunData
from gradgauge.report.discovery import EVERY, discover
from gradgauge.report.evidence import shortest_of
from gradgauge.report.faults import ATLAS, Fault, faults_of
from gradgauge.report.formatting import listed, plural
from gradgauge.report.kinds import names_kinds
from gradgauge.report.labels import common_words
from gradgauge.report.places import Place
from gradgauge.report.ranking import PURPOSES, recommendations

_MOST_FAULTS = 2


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
    """Return the devices whose control moved by more than a comparison can bear: by how much, and when."""
    return [
        Remark(control.device or "a device", f"the control took {control.drift_in_words}")
        for control in controls(run)
        if control.has_drifted
    ]


def failing(run: RunData) -> list[Remark]:
    """Return what is wrong, one remark for each technique that fails or crashes, then the broken files."""
    grouped: dict[tuple[str, str], list[Record]] = {}
    for record in failures(run):
        grouped.setdefault((record.case.function, record.case.technique.strip(" ·")), []).append(record)
    remarks = [
        Remark(": ".join(filter(None, subject)), _failure_text(run, records)) for subject, records in grouped.items()
    ]
    for broken in run.description.broken:
        where = broken.file if broken.line is None else f"{broken.file}:{broken.line}"
        remarks.append(Remark(where, f"could not be read: {broken.message}"))
    return remarks


def expected_in_short(run: RunData) -> list[str]:
    """Return both for a line: `relu: mine (the sign is wrong for x < −5)`, two faults at most, by name.

    A behaviour has its own before it: `multiply: mine (vmap: the samples are mixed)`.
    """
    found = []
    for (function, implementation), records in _expected(run).items():
        told = "; ".join(_named(fault) for fault in _told(records)[:_MOST_FAULTS])
        found.append(f"{function}: {implementation}{f' ({told})' if told else ''}")
    return found


def not_run(run: RunData) -> list[Remark]:
    """Return what could not run, one remark for each technique and reason.

    What behaviour lacks, a matrix shows; a count that cannot be had of a technique that runs, its own section.
    """
    return [
        Remark(": ".join(filter(None, (function, technique))), cannot_run_text(verdict, detail, records))
        for (function, technique, verdict, detail), records in cannot_run(run).items()
    ]


def cannot_run(run: RunData) -> dict[tuple[str, str, Verdict, str], list[Record]]:
    """Return the records of what could not run by function, technique, verdict and reason."""
    grouped: dict[tuple[str, str, Verdict, str], list[Record]] = {}
    runs = {(record.case.function, record.case.technique) for record in run.records if record.value is not None}
    for record in run.records:
        if (record.case.function, record.case.technique) in runs and record.suite in COUNTING:
            continue
        if record.verdict in (Verdict.UNAVAILABLE, Verdict.UNSUPPORTED) and not is_behavior(record):
            key = record.case.function, record.case.technique.strip(" ·"), record.verdict, record.detail
            grouped.setdefault(key, []).append(record)
    return grouped


def cannot_run_text(verdict: Verdict, detail: str, records: list[Record]) -> str:
    """Return why something could not run: `unsupported (backward): no graph at all`."""
    return f"{verdict}{_concerned(records)}: {detail or 'no reason recorded'}"


def unchecked(run: RunData) -> list[str]:
    """Return the techniques that no check of gradients judged, as `function: technique`; not those merely tried out."""
    measured = {
        (record.case.function, record.case.technique)
        for record in run.records
        if record.value is not None and not is_behavior(record)
    }
    found = standings(run).items()
    return [f"{key[0]}: {key[1]}" for key, own in found if own.status is Status.UNCHECKED and key in measured]


def instead_of_times(run: RunData) -> str:
    """Return what a run without any time is about, in a sentence; nothing where there are times, or nothing at all."""
    recorded = {(record.suite, record.metric) for record in run.records if record.value is not None}
    if not recorded or recorded & {("speed", "time"), ("speed", "speedup")}:
        return ""
    shown = [
        f"“{section.title}”"
        for section in discover()
        if any((suite, metric) in section.shows or (suite, EVERY) in section.shows for suite, metric in recorded)
    ]
    where = f" For what it holds, see {listed(shown)}." if shown else ""
    return f"No function was timed, so nothing is said about speed.{where}"


def unadvised(run: RunData) -> list[str]:
    """Return for what nothing is advised though it was to be timed, or its function was, in sentences that say why."""
    timed = [record for record in run.records if record.suite == "speed" and record.metric in ("time", "speedup")]
    advised = {(found.place.setting.whatever_clock, found.purpose) for found in recommendations(run)}
    functions: dict[tuple[str, str, str], list[str]] = {}
    for place in dict.fromkeys(_machine_of(record) for record in timed if record.case.function):
        for purpose, pass_ in PURPOSES.items():
            if (place, purpose) not in advised:
                here = (record for record in timed if record.case.pass_ == pass_ and _machine_of(record) == place)
                why = next((record.detail for record in here if record.detail), "not timed")
                functions.setdefault((purpose, place.title, why), []).append(place.function)
    purposes: dict[tuple[str, str, str], list[str]] = {}
    for (purpose, where, why), names in functions.items():
        purposes.setdefault((listed(names), where, why), []).append(purpose)
    return [
        f"No advice on {listed(found)} for {names}{f' ({where})' if where else ''}: {why.rstrip('.')}."
        for (names, where, why), found in purposes.items()
    ]


def _expected(run: RunData) -> dict[tuple[str, str], list[Record]]:
    grouped: dict[tuple[str, str], list[Record]] = {}
    for record in run.records:
        if record.verdict is Verdict.EXPECTED_FAIL:
            grouped.setdefault((record.case.function, record.case.implementation), []).append(record)
    return grouped


def _told(records: list[Record]) -> list[Fault]:
    """Return the faults that have a name, as in older runs none has; the places of an atlas show nothing else.

    What a behaviour does wrong comes last.
    """
    behaved = [record for record in records if is_behavior(record)]
    judged = [record for record in records if not is_behavior(record)]
    told = [*(faults_of(judged) if names_kinds(judged) else []), *faults_of(behaved)]
    return [fault for fault in told if fault.record.detail and fault.metric not in ATLAS]


def _named(fault: Fault) -> str:
    return f"{fault.metric}: {fault.what}" if is_behavior(fault.record) else fault.what


def _machine_of(record: Record) -> Place:
    return Place.of(record).setting.whatever_clock


def _failure_text(run: RunData, records: list[Record]) -> str:
    faults = faults_of(records)
    more = f"; and {plural(len(faults) - _MOST_FAULTS, 'more fault')}" if len(faults) > _MOST_FAULTS else ""
    return "; ".join(_fault_text(run, fault) for fault in faults[:_MOST_FAULTS]) + more


def _fault_text(run: RunData, fault: Fault) -> str:
    what = f"{fault.metric}: {fault.what}" if fault.record.detail else f"{fault.metric} {fault.record.verdict}"
    example = shortest_of(run, fault)
    if example:
        what = f"{fault.metric}: at {example}" if fault.what.startswith("at ") else f"{what}, as at {example}"
    crashed = "crashed, " if fault.record.verdict is Verdict.CRASHED else ""
    count = plural(len(fault.records) - 1, "more record") if len(fault.records) > 1 else ""
    extent = fault.extent if "kind" in fault.record.labels else f"and {count}" if count else ""
    return f"{crashed}{what}{f' ({extent})' if extent else ''}"


def _concerned(records: list[Record]) -> str:
    passes = [pass_ for pass_ in dict.fromkeys(record.case.pass_ for record in records) if pass_]
    said = ", ".join(filter(None, (listed(passes) if passes else "", common_words(records))))
    return f" ({said})" if said else ""
