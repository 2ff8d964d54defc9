"""Findings that say the same of many cases become one (no torch)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from gradgauge.cases import Case
from gradgauge.gate.findings import FAILING, OPEN, Finding, Outcome
from gradgauge.records import Verdict

RANKS: dict[Verdict, int] = {
    Verdict.PASS: 0,
    Verdict.MEASURED: 0,
    Verdict.NOISY: 0,
    Verdict.NOT_APPLICABLE: 1,
    Verdict.EXPECTED_FAIL: 2,
    Verdict.UNSUPPORTED: 3,
    Verdict.UNAVAILABLE: 3,
    Verdict.FAIL: 4,
    Verdict.CRASHED: 5,
}
"""From good to bad."""


def merge(findings: Sequence[Finding]) -> list[Finding]:
    """Return one finding for each fault, the biggest first.

    Findings of one technique, suite and metric with the same values are one; axes and labels that differ among them
    are blank in it, and its detail tells how often it was found and where first.
    """
    groups: dict[Any, list[Finding]] = {}
    for finding in findings:
        case = finding.case
        technique = (case.function, case.implementation, case.mode)
        key = (technique, finding.suite, finding.metric, finding.outcome, finding.baseline, finding.candidate)
        groups.setdefault(key, []).append(finding)
    merged = [(_merged(group), len(group)) for group in groups.values()]
    return [finding for finding, _ in sorted(merged, key=lambda found: _order(*found))]


def _merged(group: list[Finding]) -> Finding:
    first = group[0]
    if len(group) == 1:
        return first
    axes = [axis.name for axis in fields(Case)]
    moving = [axis for axis in axes if len({getattr(finding.case, axis) for finding in group}) > 1]
    labels = {key: value for key, value in first.labels.items() if all(f.labels.get(key) == value for f in group)}
    cases = len({finding.case for finding in group})
    often = f"in {cases} cases" if cases == len(group) else f"{len(group)} times in {cases} case{'s' * (cases > 1)}"
    told = {key: value for key, value in first.labels.items() if key not in labels}
    where = " · ".join(
        [getattr(first.case, axis) or "blank" for axis in moving] + [f"{k}={v}" for k, v in told.items()]
    )
    detail = f"{often}, first: {': '.join(filter(None, (where, first.detail)))}"
    return replace(first, case=replace(first.case, **dict.fromkeys(moving, "")), labels=labels, detail=detail)


@dataclass(frozen=True, order=True)
class _Order:
    group: int
    less: float
    seldom: int
    case: Case
    suite: str
    metric: str


def _order(finding: Finding, count: int) -> _Order:
    return _Order(_group(finding.outcome), -_size(finding), -count, finding.case, finding.suite, finding.metric)


def _group(outcome: Outcome) -> int:
    if outcome in FAILING:
        return 0 if outcome is Outcome.CANDIDATE_FAILS else 1
    return 2 if outcome in OPEN else 3


def _size(finding: Finding) -> float:
    """Return how far apart the sides are: for numbers within [0, 1], for verdicts above."""
    was, now = finding.baseline, finding.candidate
    if isinstance(was, int | float) and isinstance(now, int | float):
        return abs(now - was) / max(abs(now), abs(was), math.ulp(0.0))
    return 2.0 + abs(_rank(now) - _rank(was))


def _rank(value: float | str | None) -> int:
    return RANKS[Verdict(value)] if isinstance(value, str) else max(RANKS.values()) if value is None else 0
