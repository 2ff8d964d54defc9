"""What came out: metrics, verdicts, records and series, and their strict JSON (no torch)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gradgauge.cases import Case

SCHEMA_VERSION = 1


class Verdict(StrEnum):
    """What a record says of its value."""

    MEASURED = "measured"
    PASS = "pass"
    FAIL = "fail"
    EXPECTED_FAIL = "expected-fail"
    NOISY = "noisy"
    CRASHED = "crashed"
    UNAVAILABLE = "unavailable"
    UNSUPPORTED = "unsupported"
    NOT_APPLICABLE = "not-applicable"

    @property
    def is_failure(self) -> bool:
        """Whether a record with this verdict makes the run fail."""
        return self in (Verdict.FAIL, Verdict.CRASHED)


@dataclass(frozen=True)
class Metric:
    """A named quantity. better: `lower`, `higher` or None where neither is; exact: free of any clock."""

    name: str
    unit: str
    better: str | None
    exact: bool
    help: str = ""

    def __post_init__(self) -> None:
        if self.better not in ("lower", "higher", None):
            raise ValueError(f"metric {self.name}: better = {self.better!r} is not lower, higher or None")

    def to_json(self) -> dict[str, Any]:
        """Return the entry of run.json's `metrics`."""
        return {"unit": self.unit, "better": self.better, "exact": self.exact, "help": self.help}


AVAILABILITY = Metric("availability", "", None, exact=True, help="whether the implementation can run here at all")


@dataclass(frozen=True)
class Record:
    """One measured value of one metric for one case.

    low, high: the 95 % interval of `value`; None for exact metrics. samples: the number of rounds.
    """

    suite: str
    case: Case
    metric: str
    value: float | int | None
    unit: str
    verdict: Verdict
    detail: str = ""
    low: float | None = None
    high: float | None = None
    samples: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def to_json(self, run: str) -> dict[str, Any]:
        """Return every key of the schema; an infinite or NaN value is null and the detail says so."""
        value, detail = _finite_or_said(self.value, self.detail)
        return {
            "run": run,
            "suite": self.suite,
            **self.case.to_json(),
            "labels": dict(self.labels),
            "metric": self.metric,
            "value": value,
            "unit": self.unit,
            "low": _finite_or_said(self.low, "")[0],
            "high": _finite_or_said(self.high, "")[0],
            "samples": self.samples,
            "verdict": str(self.verdict),
            "detail": detail,
        }

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> Record:
        """Build a record from a line of records.jsonl."""
        keys = ("suite", "metric", "value", "unit", "detail", "low", "high", "samples", "labels")
        case = Case.from_json(dict(line))
        return cls(case=case, verdict=Verdict(line["verdict"]), **{key: line[key] for key in keys})


def _finite_or_said(value: float | None, detail: str) -> tuple[float | int | None, str]:
    if value is None or math.isfinite(value):
        return value, detail
    return None, f"{detail} (the value is {value})".strip()


@dataclass(frozen=True)
class Series:
    """A curve: `y` over `x`, with what both are measured in. NaN and infinities are stored as null."""

    case: Case
    series: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    x_unit: str = ""
    y_unit: str = ""

    def to_json(self, run: str) -> dict[str, Any]:
        """Return the line of series.jsonl."""
        return {
            "run": run,
            **self.case.to_json(),
            "series": self.series,
            "x": [value if math.isfinite(value) else None for value in self.x],
            "y": [value if math.isfinite(value) else None for value in self.y],
            "x_unit": self.x_unit,
            "y_unit": self.y_unit,
        }


def dump_line(line: Mapping[str, Any]) -> str:
    """Return one strict-JSON line; raises ValueError on NaN or infinity."""
    return json.dumps(line, allow_nan=False, ensure_ascii=False) + "\n"
