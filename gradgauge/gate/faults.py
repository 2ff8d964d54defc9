"""Who crashes, or cannot run at all, on one side or on both (no torch)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradgauge.cases import Case
from gradgauge.gate.findings import Finding, Outcome
from gradgauge.records import AVAILABILITY, Record, Verdict


def is_fault(record: Record) -> bool:
    """Whether the record says that its case could not run, rather than what came out."""
    missing = record.metric == AVAILABILITY.name and record.verdict is Verdict.UNAVAILABLE
    return missing or record.verdict is Verdict.CRASHED


def rules_out(fault: Record, case: Case) -> bool:
    """Whether the fault is why the case, of the same implementation, was not measured.

    After a crash nothing more of an implementation is measured on that device, in either mode.
    """
    same_mode = fault.verdict is Verdict.CRASHED or fault.case.mode == case.mode
    return fault.case.device == case.device and same_mode


@dataclass(frozen=True)
class Faults:
    """What the faults of one implementation come to: findings, and what a reader must know besides."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def compare_faults(was: Sequence[Record], now: Sequence[Record]) -> Faults:
    """Compare the faults among the records of one implementation in the baseline and in the candidate.

    One finding for each suite and device, and for each mode that is not to be had.
    """
    findings, notes = [], []
    old, new = _by_place(was), _by_place(now)
    for place in dict.fromkeys([*new, *old]):
        before, after = old.get(place, []), new.get(place, [])
        if _are_unavailable(before) and _are_unavailable(after):
            case = after[0].case
            notes.append(f"{case.function} · {case.technique}: unavailable in both on {case.device}: {after[0].detail}")
            continue
        outcome = _outcome(before, after, was, now)
        if outcome:
            findings.append(_finding(outcome, before, after))
    return Faults(tuple(findings), tuple(notes))


def _by_place(records: Sequence[Record]) -> dict[tuple[str, str, str], list[Record]]:
    places: dict[tuple[str, str, str], list[Record]] = {}
    for record in filter(is_fault, records):
        mode = record.case.mode if record.verdict is Verdict.UNAVAILABLE else ""
        places.setdefault((record.suite, record.case.device, mode), []).append(record)
    return places


def _are_unavailable(faults: list[Record]) -> bool:
    return bool(faults) and all(fault.verdict is Verdict.UNAVAILABLE for fault in faults)


def _outcome(before: list[Record], after: list[Record], was: Sequence[Record], now: Sequence[Record]) -> Outcome | None:
    if before and after:
        if _ran(was, after[0].suite, after[0].case):
            return Outcome.CANDIDATE_FAILS
        return Outcome.BASELINE_FAILS if _ran(now, before[0].suite, before[0].case) else Outcome.BOTH_FAIL
    if after:
        return _stopped(after[0], was, Outcome.CANDIDATE_FAILS) or Outcome.NEW
    outcome = _stopped(before[0], now, Outcome.BASELINE_FAILS)
    return outcome if outcome is Outcome.BASELINE_FAILS else None  # a fault of the candidate's own is told apart


def _ran(records: Sequence[Record], suite: str, case: Case) -> bool:
    here = [record for record in records if (record.suite, record.case) == (suite, case)]
    return bool(here) and not any(map(is_fault, here))


def _stopped(fault: Record, others: Sequence[Record], alone: Outcome) -> Outcome | None:
    """Return what becomes of one side's fault: `alone` if the other side ran there, None if it was never tried."""
    near = [record for record in others if rules_out(fault, record.case)]
    if not near:
        return None
    everywhere = fault.verdict is Verdict.UNAVAILABLE
    ran = any((everywhere or record.suite == fault.suite) and not is_fault(record) for record in near)
    return alone if ran or not any(map(is_fault, near)) else Outcome.BOTH_FAIL


def _finding(outcome: Outcome, before: list[Record], after: list[Record]) -> Finding:
    faults = before if outcome is Outcome.BASELINE_FAILS else after
    first = faults[0]
    rest = f" (and in {len(faults) - 1} other cases)" if len(faults) > 1 else ""
    return Finding(
        "exact",
        outcome,
        first.case,
        f"{first.detail}{rest}",
        suite=first.suite,
        metric=first.metric,
        unit=first.unit,
        labels=first.labels,
        baseline=str(before[0].verdict) if before else None,
        candidate=str(after[0].verdict) if after else None,
    )
