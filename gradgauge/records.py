"""What came out: metrics, verdicts, records and series, and their strict JSON (no torch)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from enum import StrEnum
from typing import Any

from gradgauge.cases import Case
from gradgauge.examples import Example

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


@dataclass(frozen=True)
class Drawn:
    """One span of a timeline.

    kind: `region`, `host` or `device`. track: which thread or stream, from 1. depth: how many spans enclose it.
    start_s: since the step began.
    """

    name: str
    kind: str
    track: int
    depth: int
    start_s: float
    duration_s: float


@dataclass(frozen=True)
class Profile:
    """What the profiler saw of one case.

    trace: its file, relative to the run folder. step_s: how long the step lasted whose spans these are.
    stacks: outermost first, each with the seconds a step on top of it.
    """

    case: Case
    trace: str
    step_s: float
    spans: tuple[Drawn, ...]
    stacks: tuple[tuple[tuple[str, ...], float], ...]

    def to_json(self, run: str) -> dict[str, Any]:
        """Return the line of profiles.jsonl."""
        names = dict.fromkeys(name for stack, _ in self.stacks for name in stack) | dict.fromkeys(
            span.name for span in self.spans
        )
        number = {name: index for index, name in enumerate(names)}
        return {
            "run": run,
            **self.case.to_json(),
            "trace": self.trace,
            "step_s": self.step_s,
            "names": list(names),
            "spans": [[number[span.name], *astuple(span)[1:]] for span in self.spans],
            "stacks": [[[number[name] for name in stack], seconds] for stack, seconds in self.stacks],
        }

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> Profile:
        """Build a profile from a line of profiles.jsonl."""
        names = line["names"]
        spans = tuple(Drawn(names[index], *rest) for index, *rest in line["spans"])
        stacks = tuple((tuple(names[index] for index in stack), seconds) for stack, seconds in line["stacks"])
        return cls(Case.from_json(dict(line)), line["trace"], line["step_s"], spans, stacks)


@dataclass(frozen=True)
class Reproduction:
    """The smallest input that was found to show a fault of one implementation.

    metric, labels: those of the record that it was met in; for a behaviour its name. From `example`, which is data,
    the code that shows the fault is written (see `snippets`): none of it is stored.
    """

    suite: str
    case: Case
    metric: str
    labels: Mapping[str, str]
    example: Example

    def to_json(self, run: str) -> dict[str, Any]:
        """Return the line of reproductions.jsonl."""
        about = {"run": run, "suite": self.suite, **self.case.to_json(), "labels": dict(self.labels)}
        return {**about, "metric": self.metric, **self.example.to_json()}


Result = Record | Series | Profile | Reproduction
"""What a suite may find."""


def dump_line(line: Mapping[str, Any]) -> str:
    """Return one strict-JSON line; raises ValueError on NaN or infinity."""
    return json.dumps(line, allow_nan=False, ensure_ascii=False) + "\n"
