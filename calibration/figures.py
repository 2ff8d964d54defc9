"""The figures of a run, keyed so that those of two runs can be laid side by side (no torch)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gradgauge.cases import REFERENCE, Case

SUITE = "speed"


class Problem(Exception):
    """What keeps a script from an answer; the message is for whoever started it."""


@dataclass(frozen=True, order=True)
class Key:
    """What a figure is of: a case, and the labels that tell two figures of one case apart."""

    case: Case
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def block(self) -> Key:
        """Return the key of what it is compared within: alike but for implementation and mode."""
        return replace(self, case=self.case.block)

    @property
    def is_base(self) -> bool:
        """Whether it is what speedups refer to: its own is 1 by definition."""
        return (self.case.implementation, self.case.mode) == (REFERENCE, "eager")

    def __str__(self) -> str:
        parts = [value for value in self.case.to_json().values() if value]
        return " · ".join([*parts, *(f"{name} {value}" for name, value in self.labels)])


@dataclass(frozen=True)
class Figure:
    """A time or a ratio of times with its interval. None is missing; every other value is finite and above 0."""

    value: float | None
    low: float | None = None
    high: float | None = None
    verdict: str = "measured"


def timing_figures(records: Iterable[Mapping[str, Any]], metric: str) -> dict[Key, Figure]:
    """Return what the suite `speed` filed under the metric, `time` or `speedup`, in the records' order.

    A case that was tried in vain has a figure without a value. Raises Problem for two records of one key.
    """
    figures: dict[Key, Figure] = {}
    for record in records:
        if (record["suite"], record["metric"]) != (SUITE, metric):
            continue
        key = Key(Case.from_json(record), tuple(sorted(record["labels"].items())))
        if key in figures:
            raise Problem(f"two records of {metric} for {key}")
        value, low, high = (positive(record[name]) for name in ("value", "low", "high"))
        figures[key] = Figure(value, low, high, record["verdict"])
    return figures


def positive(value: float | None) -> float | None:
    """Return the value where it can be a time or a ratio of times, else None: null, NaN, infinite, 0 or below."""
    return value if value is not None and math.isfinite(value) and value > 0 else None


def costs(figures: Mapping[Key, Figure], metric: str) -> dict[Key, float | None]:
    """Return what a call costs by the metric, in a unit that is the same within a block: less is faster."""
    values = {key: figure.value for key, figure in figures.items()}
    if metric == "time":
        return values
    return {key: None if value is None else 1 / value for key, value in values.items()}


def unmeasured(planned: Iterable[Mapping[str, Any]], figures: Mapping[Key, Figure]) -> int:
    """Return how many planned cases of the suite `speed` have no value, for want of time or otherwise."""
    measured = {key.case for key, figure in figures.items() if figure.value is not None}
    wanted = {Case.from_json(entry) for entry in planned if entry["suite"] == SUITE}
    return len(wanted - measured)
