"""What needs no clock, compared: the counting figures and the verdicts of two runs (no torch)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from gradgauge.cases import Case
from gradgauge.gate.faults import compare_faults, is_fault, rules_out
from gradgauge.gate.figures import Figures, Pairing, found, joined, worst
from gradgauge.gate.findings import Finding, Outcome
from gradgauge.gate.merging import RANKS, merge
from gradgauge.gate.recorded import Recorded
from gradgauge.records import Metric, Record, Verdict

NO_LONGER = "no longer measured"
NO_TIME = "it was to be measured, and was not: time did not suffice"

LOOKED = (Verdict.MEASURED, Verdict.NOISY, Verdict.PASS, Verdict.EXPECTED_FAIL, Verdict.FAIL)
"""Verdicts that say that something was looked at."""

_Key = tuple[str, Case, str]


class Exact(NamedTuple):
    """Findings, the biggest first; how many figures and verdicts were compared, those alike included; what to know."""

    findings: list[Finding]
    compared: int
    notes: list[str]


def compare_exact(baseline: Recorded, candidate: Recorded, names: Mapping[tuple[str, str], str] | None = None) -> Exact:
    """Compare the exact metrics of every implementation that both runs have.

    names: for (function, the candidate's implementation), what the baseline calls it, where that is another name.
    """
    olds, news = _by_implementation(baseline.records), _by_implementation(candidate.records)
    every = Exact([], 0, [])
    for (function, name), now in news.items():
        was = olds.get((function, (names or {}).get((function, name), name)))
        if was and function:
            was = [replace(record, case=replace(record.case, implementation=name)) for record in was]
            one = _Comparison(replace(baseline, records=tuple(was)), replace(candidate, records=tuple(now))).run()
            every = Exact([*every.findings, *one.findings], every.compared + one.compared, [*every.notes, *one.notes])
    return every._replace(findings=merge(every.findings))


def _by_implementation(records: Iterable[Record]) -> dict[tuple[str, str], list[Record]]:
    found_by: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found_by.setdefault((record.case.function, record.case.implementation), []).append(record)
    return found_by


class _Comparison:
    """One implementation on both sides, under the candidate's name."""

    def __init__(self, was: Recorded, now: Recorded) -> None:
        self._was, self._now = was, now
        self._known = {**was.metrics, **now.metrics}
        self._findings, self._compared = list[Finding](), 0
        self._failing = Counter[tuple[str, str]]()
        self._units: dict[str, None] = {}
        self._open: set[tuple[str, Case]] = set()

    def run(self) -> Exact:
        """Compare everything."""
        faults = compare_faults(self._was.records, self._now.records)
        stopped = [record for record in self._now.records if is_fault(record)]
        olds, news = self._by_metric(self._was), self._by_metric(self._now)
        reached = {(record.suite, record.case) for record in self._now.records}
        for key, old in olds.items():
            if key in news:
                self._take(self._compare(old, news[key]))
            elif not any(rules_out(fault, key[1]) for fault in stopped):
                self._lack(key, old, is_reached=key[:2] in reached)
        for key, new in news.items():
            if key not in olds:
                self._come(key, new)
        already = [
            f"{technique}: {count} verdict{'' if count == 1 else 's'} of {suite} fail{'s' * (count == 1)} in both"
            for (technique, suite), count in self._failing.items()
        ]
        return Exact([*faults.findings, *self._findings], self._compared, [*faults.notes, *already, *self._units])

    def _by_metric(self, side: Recorded) -> dict[_Key, list[Record]]:
        by_metric: dict[_Key, list[Record]] = {}
        for record in side.records:
            if self._metric(record.metric).exact and not is_fault(record):
                by_metric.setdefault((record.suite, record.case, record.metric), []).append(record)
        return by_metric

    def _metric(self, name: str) -> Metric:
        return self._known[name]

    def _take(self, pairing: Pairing) -> None:
        self._findings += pairing.findings
        self._compared += pairing.compared

    def _compare(self, old: list[Record], new: list[Record]) -> Pairing:
        units = [sorted({record.unit for record in side}) for side in (old, new)]
        case = new[0].case
        if units[0] != units[1]:
            was, now = (" and ".join(side) for side in units)
            note = f"{case.function}: {new[0].metric} is in {was} in the baseline, in {now} in the candidate"
            self._units[f"{note}: figures not compared"] = None
        pairing = Figures(self._metric(new[0].metric)).compare(old, new)
        if pairing.failing:
            self._failing[f"{case.function} · {case.technique}", new[0].suite] += pairing.failing
        return pairing

    def _lack(self, key: _Key, old: list[Record], *, is_reached: bool) -> None:
        """Note a metric that the candidate does not have."""
        figures = Figures(self._metric(key[2]))
        if figures.is_by_place(old) or not any(
            record.verdict in LOOKED and figures.is_compared(record) for record in old
        ):
            return
        before = worst(old)
        if is_reached or key[:2] not in self._now.planned:
            self._findings.append(found(Outcome.WORSE, before, str(before.verdict), None, NO_LONGER, {}))
            self._compared += 1
        elif key[:2] not in self._open:
            self._open.add(key[:2])
            self._findings.append(
                replace(found(Outcome.CANNOT_TELL, before, None, None, NO_TIME, {}), metric="", unit="")
            )

    def _come(self, key: _Key, new: list[Record]) -> None:
        """Note a verdict that fails in the candidate alone; what did not exist before cannot have been right."""
        after = worst(new)
        if RANKS[after.verdict] < RANKS[Verdict.FAIL]:
            return
        was_asked = key[2] in self._was.metrics and any(
            (each.suite, each.case) == key[:2] for each in self._was.records
        )
        outcome = Outcome.WORSE if was_asked else Outcome.NEW
        detail = joined("not checked in the baseline", after.detail)
        self._findings.append(found(outcome, after, None, str(after.verdict), detail))
