"""The figures and verdicts of one metric in one case, before and after (no torch)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gradgauge.gate.findings import Finding, Outcome
from gradgauge.gate.merging import RANKS
from gradgauge.records import Metric, Record, Verdict

COUNTING = ("byte", "count", "flop")
"""Units of figures that are the same in every run of the same code; ulps and ratios move with every rounding."""

PLACE = "at"
"""The label of a figure by place in the code: places move with every line, and where nothing is, there is no record."""

_FIGURES = (Verdict.MEASURED, Verdict.NOISY)
_UNJUDGED = (*_FIGURES, Verdict.NOT_APPLICABLE)


class Pairing(NamedTuple):
    """What changed; how many figures and verdicts were compared; of them, verdicts that fail on both sides."""

    findings: tuple[Finding, ...]
    compared: int
    failing: int


@dataclass(frozen=True)
class Figures:
    """How a metric is compared; in all that it is given, the records are of one case."""

    metric: Metric

    def is_compared(self, record: Record) -> bool:
        """Whether anything rests on the record: a verdict, or a figure that counts and has a direction."""
        return record.verdict not in _UNJUDGED or self._counts(record)

    def is_by_place(self, records: Sequence[Record]) -> bool:
        """Whether these are figures by place in the code."""
        return all(record.verdict in _FIGURES and PLACE in record.labels for record in records)

    def compare(self, old: Sequence[Record], new: Sequence[Record]) -> Pairing:
        """Compare label by label; where the labels moved, figures by their sum and verdicts by the worst."""
        olds, news = ({tuple(sorted(record.labels.items())): record for record in side} for side in (old, new))
        if all(record.verdict in _FIGURES for record in (*old, *new)) and (
            olds.keys() != news.keys() or self.is_by_place([*old, *new])
        ):
            return self._sums(old, new)
        pairs = [self._pair(olds[labels], record) for labels, record in news.items() if labels in olds]
        left = [record for labels, record in olds.items() if labels not in news]
        came = [record for labels, record in news.items() if labels not in olds]
        if came:
            pairs.append(self._verdicts(worst(left or old), worst(came)))
        return Pairing(
            tuple(finding for pair in pairs for finding in pair.findings),
            sum(pair.compared for pair in pairs),
            sum(pair.failing for pair in pairs),
        )

    def _pair(self, old: Record, new: Record) -> Pairing:
        if old.verdict in _FIGURES and new.verdict in _FIGURES:
            return self._numbers(old, new, number(old.value), number(new.value))
        return self._verdicts(old, new)

    def _verdicts(self, old: Record, new: Record) -> Pairing:
        if not (self.is_compared(old) or self.is_compared(new)):
            return Pairing((), 0, 0)
        before, after = RANKS[old.verdict], RANKS[new.verdict]
        if before == after:
            return Pairing((), 1, int(new.verdict is Verdict.FAIL))
        outcome = Outcome.WORSE if after > before else Outcome.BETTER
        why = new.detail
        if new.verdict is Verdict.NOT_APPLICABLE and outcome is Outcome.WORSE:
            why = joined("no longer checked", why)
        return Pairing((found(outcome, new, str(old.verdict), str(new.verdict), why),), 1, 0)

    def _numbers(self, old: Record, new: Record, before: float | None, after: float | None) -> Pairing:
        if not (self._counts(old) and self._counts(new) and old.unit == new.unit) or before is None:
            return Pairing((), 0, 0)
        if after is None:
            return Pairing((found(Outcome.WORSE, new, before, None, joined("no figure any more", new.detail)),), 1, 0)
        if before == after:
            return Pairing((), 1, 0)
        worse = (after > before) == (self.metric.better == "lower")
        was = f"before: {old.detail}" if old.detail != new.detail and old.detail else ""
        why = "; ".join(filter(None, (new.detail, was)))
        return Pairing((found(Outcome.WORSE if worse else Outcome.BETTER, new, before, after, why),), 1, 0)

    def _sums(self, old: Sequence[Record], new: Sequence[Record]) -> Pairing:
        biggest = max(new, key=lambda record: number(record.value) or 0)
        pairing = self._numbers(old[0], biggest, total(old), total(new))
        if len(new) == 1:
            return pairing
        told = tuple(
            found(
                each.outcome, biggest, each.baseline, each.candidate, f"of {len(new)} the biggest: {biggest.detail}", {}
            )
            for each in pairing.findings
        )
        return pairing._replace(findings=told)

    def _counts(self, record: Record) -> bool:
        return self.metric.better is not None and record.unit in COUNTING


def worst(records: Sequence[Record]) -> Record:
    """Return the record with the worst verdict, the first of them."""
    return max(records, key=lambda record: RANKS[record.verdict])


def number(value: float | None) -> float | None:
    """Return the number; None where there is none, which an infinite one and NaN are not either."""
    return value if value is not None and math.isfinite(value) else None


def total(records: Sequence[Record]) -> float | None:
    """Return the sum of the values, None where one is unknown."""
    values = [number(record.value) for record in records]
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def found(
    outcome: Outcome,
    record: Record,
    before: float | str | None,
    after: float | str | None,
    detail: str,
    labels: dict[str, str] | None = None,
) -> Finding:
    """Return the finding of a record's metric; labels: in place of the record's own."""
    return Finding(
        "exact",
        outcome,
        record.case,
        detail,
        suite=record.suite,
        metric=record.metric,
        unit=record.unit,
        labels=dict(record.labels) if labels is None else labels,
        baseline=before,
        candidate=after,
    )


def joined(fact: str, reason: str) -> str:
    """Return the fact and, where there is one, its reason."""
    return f"{fact}: {reason}" if reason else fact
