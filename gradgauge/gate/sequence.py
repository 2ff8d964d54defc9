"""How a session decides: looks at growing evidence, one chance of error for all cases and looks together (no torch)."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from gradgauge.gate.findings import Outcome, Ratio, Settings
from gradgauge.gate.intervals import Evidence, Interval, interval_of

FEWEST_PROCESSES = 6
GROWTH = 1.65
"""Between two looks the number of processes grows by this factor: each look must buy a visibly narrower interval."""

SLICE_S = 0.3
CONFIDENCE = 0.98
TOLERANCE = 0.03
FLOOR_S = 1e-7
BUDGET_S = 10.0

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Pairs:
    """What one process measured of one case: log(candidate / baseline) of each pair, the baseline's seconds a call."""

    logs: tuple[float, ...]
    baseline_s: float


@dataclass(frozen=True)
class Lost:
    """Why one process has no pairs of a case: what came of it, and what happened."""

    outcome: Outcome
    detail: str


@dataclass(frozen=True)
class Limit:
    """What a slowdown must exceed to count: a share of the baseline's time, and seconds a call."""

    tolerance: float
    floor_s: float

    def log(self, baseline_s: float) -> float:
        """Return the log ratio above which a slowdown counts."""
        return math.log1p(max(self.tolerance, self.floor_s / baseline_s if baseline_s > 0 else 0.0))


@dataclass(frozen=True)
class Stored:
    """A baseline that was measured apart: the log ratio it had, and in how many processes."""

    log: float
    processes: int


@dataclass(frozen=True)
class Decision:
    """What became of a case; ratio is None where it was lost."""

    outcome: Outcome
    ratio: Ratio | None = None
    detail: str = ""


def settings_for(budget_s: float, tolerance: float = TOLERANCE, floor_s: float = FLOOR_S) -> Settings:
    """Return how a session with this budget decides.

    The first look comes after FEWEST_PROCESSES processes, the last when the budget of seconds of rounds is spent.
    """
    most = max(FEWEST_PROCESSES, int(budget_s / SLICE_S + 1e-9))
    looks = [FEWEST_PROCESSES]
    while looks[-1] < most:
        following = math.ceil(looks[-1] * GROWTH)
        # A last step that is short buys little: it is made part of the one before.
        looks.append(most if following * math.sqrt(GROWTH) > most else following)
    return Settings(tolerance, floor_s, CONFIDENCE, budget_s, min(SLICE_S, budget_s / FEWEST_PROCESSES), tuple(looks))


def decide(
    cases: Sequence[Key],
    ask: Callable[[Sequence[Key]], Mapping[Key, Pairs | Lost]],
    settings: Settings,
    limit_of: Callable[[Key], Limit],
    stored: Mapping[Key, Stored] | None = None,
) -> dict[Key, Decision]:
    """Return what became of each case.

    ask: measures these cases, all that are still open, in one fresh process. stored: of a case whose baseline was
    measured apart.

    At each look each open case's interval is formed; a case whose whole interval lies on one side of its limit is
    closed. The others are measured in more processes, until the last look. The chance of error is shared out evenly
    (Bonferroni) between the cases, the looks and the two bounds: so with chance `settings.confidence` all intervals
    that are ever formed hold the true ratio, whatever was decided when, and all that is told at any look is right
    together. That bounds the chance of any false regression in a session by half of what is missing to 1.
    """
    evidence = {case: Evidence() for case in cases}
    decided: dict[Key, Decision] = {}
    miss = (1 - settings.confidence) / 2 / max(1, len(cases)) / len(settings.looks)
    taken = 0
    for look in settings.looks:
        while taken < look and (open_ := [case for case in cases if case not in decided]):
            for case, found in ask(open_).items():
                if isinstance(found, Lost):
                    decided[case] = Decision(found.outcome, detail=found.detail)
                else:
                    evidence[case].add(found.logs, found.baseline_s)
            taken += 1
        for case in (case for case in cases if case not in decided):
            judged = judge(evidence[case], miss, limit_of(case), (stored or {}).get(case))
            if judged.outcome is not Outcome.CANNOT_TELL or look == settings.looks[-1]:
                decided[case] = judged
    return decided


def judge(evidence: Evidence, miss: float, limit: Limit, stored: Stored | None = None) -> Decision:
    """Return what the evidence says with intervals either bound of which misses with chance `miss`."""
    found = interval_of(evidence.centres, miss, stored.processes if stored else None, -stored.log if stored else 0.0)
    bound = limit.log(evidence.baseline_s)
    return Decision(_outcome(found, bound), _ratio(evidence, found, bound, limit))


def _outcome(found: Interval, bound: float) -> Outcome:
    if found.low > bound:
        return Outcome.REGRESSION
    if found.high < -bound:
        return Outcome.IMPROVEMENT
    return Outcome.NO_REGRESSION if found.high < bound else Outcome.CANNOT_TELL


def _ratio(evidence: Evidence, found: Interval, bound: float, limit: Limit) -> Ratio:
    ratio = Ratio(
        math.exp(found.centre),
        None,
        None,
        evidence.baseline_s,
        limit.tolerance,
        limit.floor_s,
        len(evidence.centres),
        evidence.pairs,
        None,
    )
    if not math.isfinite(found.reach) or found.reach + bound > 700:  # beyond, exp overflows and nobody cares
        return ratio
    detectable = math.expm1(bound + found.reach)
    return replace(ratio, low=math.exp(found.low), high=math.exp(found.high), smallest_detectable=detectable)
