"""Which technique agrees with the definition, and what stands against each that does not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gradgauge.natures import reason_of
from gradgauge.records import Record, Verdict
from gradgauge.report.behavior import is_behavior
from gradgauge.report.data import RunData
from gradgauge.report.faults import ATLAS
from gradgauge.report.labels import Labels, odd_labels, odd_protocol
from gradgauge.report.once import once_a_run


class Status(StrEnum):
    """Where a technique stands."""

    AGREES = "agrees"
    UNCHECKED = "unchecked"
    EXPECTED_FAIL = "expected-fail"
    FAILS = "fails"
    CRASHED = "crashed"


_JUDGED = (Verdict.PASS, Verdict.FAIL, Verdict.EXPECTED_FAIL)


@dataclass(frozen=True)
class Standing:
    """A technique and the records that speak against it (none where it agrees).

    A technique without a verdict of its own takes over its implementation's faults from the other mode.
    """

    function: str
    technique: str
    implementation: str
    status: Status
    against: tuple[Record, ...] = ()

    @property
    def may_be_recommended(self) -> bool:
        """Whether nothing stands against it."""
        return self.status in (Status.AGREES, Status.UNCHECKED)


@once_a_run
def standings(run: RunData, labels: Labels = ()) -> dict[tuple[str, str], Standing]:
    """Return the standing of every technique that has a record, by function and technique.

    Any failure and any crash counts, in whichever suite, but for a behaviour that fails: who is wrong under vmap alone
    is right where it is timed. An expected failure counts where gradients are checked.
    labels: those of the place where it is asked. Who fails under an odd way of timing alone fails only there.
    """
    by_technique: dict[tuple[str, str], list[Record]] = {}
    for record in run.records:
        if record.case.implementation and record.case.mode:
            by_technique.setdefault((record.case.function, record.case.technique), []).append(record)
    here = frozenset(labels)
    own = {key: _standing(*key, records, here) for key, records in by_technique.items()}
    return {key: _with_siblings(standing, own) for key, standing in own.items()}


def failures(run: RunData) -> tuple[Record, ...]:
    """Return the records that make the run fail, failures before crashes, otherwise as measured."""
    failed = [record for record in run.records if record.verdict.is_failure]
    return tuple(sorted(failed, key=lambda record: record.verdict is Verdict.CRASHED))


def expected_reasons(run: RunData, records: list[Record]) -> list[str]:
    """Return an implementation's own reasons for what it is expected to fail, each once; from records if it has none.

    records: the expected failures of one implementation.
    """
    case = records[0].case
    entry = run.description.functions.get(case.function)
    described = entry.implementations.get(case.implementation) if entry else None
    stated = described.expected_fail if described else {}
    told = [record for record in records if record.metric not in ATLAS]
    reasons = [stated.get(record.metric) or reason_of(record.detail) for record in told]
    return [reason for reason in dict.fromkeys(reasons) if reason]


def _standing(function: str, technique: str, records: list[Record], here: frozenset[tuple[str, str]]) -> Standing:
    expected = [record for record in records if record.verdict is Verdict.EXPECTED_FAIL and record.suite == "gradients"]
    failed = [record for record in records if record.verdict is Verdict.FAIL and _counts(record, here)]
    crashed = [record for record in records if record.verdict is Verdict.CRASHED]
    checked = any(record.suite == "gradients" and record.verdict in _JUDGED for record in records)
    status = (
        Status.FAILS
        if failed
        else Status.CRASHED
        if crashed
        else Status.EXPECTED_FAIL
        if expected
        else Status.AGREES
        if checked
        else Status.UNCHECKED
    )
    return Standing(function, technique, records[0].case.implementation, status, (*failed, *crashed, *expected))


def _counts(failed: Record, here: frozenset[tuple[str, str]]) -> bool:
    return not is_behavior(failed) and here.issuperset(odd_protocol(odd_labels(failed)))


def _with_siblings(standing: Standing, own: dict[tuple[str, str], Standing]) -> Standing:
    if standing.status is not Status.UNCHECKED:
        return standing
    siblings = (
        other
        for (function, _), other in own.items()
        if function == standing.function and other.implementation == standing.implementation
    )
    faulty = next((other for other in siblings if not other.may_be_recommended), None)
    if faulty is None:
        return standing
    return Standing(standing.function, standing.technique, standing.implementation, faulty.status, faulty.against)
