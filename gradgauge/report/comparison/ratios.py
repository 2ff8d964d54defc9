"""How many times as much another run measured as the base did, with an interval, and what may be said of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from statistics import median

from gradgauge.cases import Case
from gradgauge.records import Record
from gradgauge.report.control import controls
from gradgauge.report.data import RunData
from gradgauge.report.labels import Labels, odd_labels
from gradgauge.report.places import Place
from gradgauge.report.ranking import MARGIN
from gradgauge.report.tables.cells import ordered_passes

_FARTHEST = 690.0
"""A logarithm whose exponential is still a float."""


class Change(Enum):
    """What a ratio says: a sentence's worth."""

    FASTER = "faster"
    SLOWER = "slower"
    NONE = "no difference seen"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True)
class Ratio:
    """The other run's figure over the base's; no bounds where either has no interval."""

    value: float
    low: float | None = None
    high: float | None = None

    def change(self, *, lower_is_better: bool) -> Change:
        """Return what may be said: faster or slower only where the interval lies beyond MARGIN."""
        if self.low is None or self.high is None:
            return Change.UNKNOWN
        if self.low > MARGIN:
            return Change.SLOWER if lower_is_better else Change.FASTER
        if self.high < 1 / MARGIN:
            return Change.FASTER if lower_is_better else Change.SLOWER
        return Change.NONE


def ratio_of(base: Record, other: Record) -> Ratio | None:
    """Return the ratio of two independent medians; None where there is none.

    Its interval is that of the difference of their logarithms: the distances of the bounds from the medians, on the
    sides that widen the ratio, root-sum-square. Source: Zou and Donner, "Construction of confidence limits about
    effect measures: a general approach" (Statistics in Medicine 27, 2008).
    """
    logs = [_log(value) for value in (base.value, other.value)]
    if logs[0] is None or logs[1] is None:
        return None
    centre = logs[1] - logs[0]
    bounds = [_log(value) for value in (base.low, base.high, other.low, other.high)]
    known = [bound for bound in bounds if bound is not None]
    if len(known) < len(bounds):
        return Ratio(_exp(centre))
    base_low, base_high, other_low, other_high = known
    below = math.hypot(max(0.0, logs[1] - other_low), max(0.0, base_high - logs[0]))
    above = math.hypot(max(0.0, other_high - logs[1]), max(0.0, logs[0] - base_low))
    return Ratio(_exp(centre), _exp(centre - below), _exp(centre + above))


@dataclass(frozen=True)
class Pair:
    """A case that both runs timed. speedup: the ratio of the speedups, None where either has none.

    elements: of the output, 0 where unknown.
    """

    place: Place
    base: Record
    other: Record
    time: Ratio
    elements: int
    speedup: Ratio | None = None

    @property
    def case(self) -> Case:
        """Return the case."""
        return self.base.case

    @property
    def time_change(self) -> Change:
        """Return what its time says."""
        return self.time.change(lower_is_better=True)

    @property
    def speedup_change(self) -> Change:
        """Return what its speedup over the reference says."""
        return self.speedup.change(lower_is_better=False) if self.speedup else Change.UNKNOWN


def pairs(base: RunData, other: RunData) -> list[Pair]:
    """Return the cases that both runs timed in the same way and unit, functions and passes in their order."""
    then, now = (_timed(run, "time") for run in (base, other))
    then_speedups, now_speedups = (_timed(run, "speedup") for run in (base, other))
    found = []
    for key, record in then.items():
        time = ratio_of(record, now[key]) if key in now and now[key].unit == record.unit else None
        if time:
            both = key in then_speedups and key in now_speedups
            speedup = ratio_of(then_speedups[key], now_speedups[key]) if both else None
            found.append(Pair(Place.of(record), record, now[key], time, base.elements(record.case) or 0, speedup))
    functions = base.function_names()
    passes = ordered_passes([pair.case.pass_ for pair in found])
    return sorted(found, key=lambda pair: (functions.index(pair.case.function), passes.index(pair.case.pass_)))


def size_of(pair: Pair) -> tuple[bool, float]:
    """Return a key that sorts clear changes first and the largest of them foremost."""
    clear = {Change.FASTER, Change.SLOWER} & {pair.time_change, pair.speedup_change}
    ratios = [ratio.value for ratio in (pair.time, pair.speedup) if ratio]
    return not clear, -max(abs(math.log(value)) for value in ratios)


@dataclass(frozen=True)
class ControlRatio:
    """How many times as long the control, fixed work that is nobody's implementation, took in the other run."""

    device: str
    value: float


def control_ratios(base: RunData, other: RunData) -> list[ControlRatio]:
    """Return the ratio of each device whose control both runs timed."""
    then, now = (dict(_control_times(run)) for run in (base, other))
    return [ControlRatio(key[0], _exp(math.log(now[key] / then[key]))) for key in then if key in now]


def other_units(base: RunData, other: RunData) -> list[str]:
    """Return the metrics that the runs have in different units, in words; none of these is compared."""
    then, now = base.description.metrics, other.description.metrics
    return [
        f"{name} ({then[name].unit or 'no unit'} and {now[name].unit or 'no unit'})"
        for name in then
        if name in now and then[name].unit != now[name].unit
    ]


def _timed(run: RunData, metric: str) -> dict[tuple[Case, Labels], Record]:
    return {(record.case, odd_labels(record)): record for record in run.measured("speed", metric)}


def _control_times(run: RunData) -> Iterator[tuple[tuple[str, str], float]]:
    for control in controls(run):
        yield (control.device, control.workload), median(time_s for _, time_s in control.points)


def _log(value: float | None) -> float | None:
    return math.log(value) if value is not None and value > 0 else None


def _exp(logarithm: float) -> float:
    return math.exp(min(max(logarithm, -_FARTHEST), _FARTHEST))
