"""What a gate found: outcomes, findings, and `gate.json` (no torch)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from gradgauge.cases import Case
from gradgauge.runs import UnreadableRun, read_versioned

SCHEMA_VERSION = 1
GATE_JSON = "gate.json"


class Outcome(StrEnum):
    """What became of one thing that was compared."""

    REGRESSION = "regression"
    WORSE = "worse"
    REMOVED = "removed"
    CANDIDATE_FAILS = "candidate-fails"
    NOTHING_MEASURED = "nothing-measured"
    CANNOT_TELL = "cannot-tell"
    BOTH_FAIL = "both-fail"
    BASELINE_UNUSABLE = "baseline-unusable"
    BASELINE_FAILS = "baseline-fails"
    RENAMED = "renamed"
    NEW = "new"
    IMPROVEMENT = "improvement"
    BETTER = "better"
    NO_REGRESSION = "no-regression"
    UNCHANGED = "unchanged"

    @property
    def fails(self) -> bool:
        """Whether a finding of this outcome fails the gate unless it was accepted."""
        return self in FAILING

    @property
    def is_open(self) -> bool:
        """Whether the gate cannot tell because of it."""
        return self in OPEN


FAILING = (
    Outcome.REGRESSION,
    Outcome.WORSE,
    Outcome.REMOVED,
    Outcome.CANDIDATE_FAILS,
    Outcome.NOTHING_MEASURED,
)
OPEN = (Outcome.CANNOT_TELL, Outcome.BOTH_FAIL, Outcome.BASELINE_UNUSABLE)

MEANINGS: Mapping[Outcome, str] = {
    Outcome.REGRESSION: "slower: the whole interval lies above the tolerance, and above the floor",
    Outcome.WORSE: "a verdict or a figure that needs no clock changed for the worse",
    Outcome.REMOVED: "in the baseline, not in the candidate",
    Outcome.CANDIDATE_FAILS: "runs in the baseline, and does not load, raises or crashes in the candidate",
    Outcome.NOTHING_MEASURED: "nothing was compared, so nothing is known",
    Outcome.CANNOT_TELL: "still open when the budget was spent",
    Outcome.BOTH_FAIL: "raises or crashes in both, so there is nothing to compare",
    Outcome.BASELINE_UNUSABLE: "the baseline cannot be laid out or loaded",
    Outcome.BASELINE_FAILS: "does not load, raises or crashes in the baseline, and runs in the candidate",
    Outcome.RENAMED: "the same code or nearly so under another name, compared across the names",
    Outcome.NEW: "not in the baseline: there is nothing to compare with",
    Outcome.IMPROVEMENT: "faster: the whole interval lies below the tolerance and the floor on the other side",
    Outcome.BETTER: "a verdict or a figure that needs no clock changed for the better",
    Outcome.NO_REGRESSION: "the whole interval lies below the tolerance or the floor",
    Outcome.UNCHANGED: "the same files in both, byte for byte: not measured",
}


class Status(StrEnum):
    """What the gate comes to."""

    PASSED = "passed"
    FAILED = "failed"
    CANNOT_TELL = "cannot-tell"


@dataclass(frozen=True)
class Side:
    """The baseline or the candidate. kind: `revision`, `working tree` or `run`; name: as the user gave it.

    commit: the full hash, empty where there is none. dirty: it holds changes that are in no commit.
    """

    kind: str
    name: str
    commit: str = ""
    dirty: bool = False

    def __str__(self) -> str:
        short = self.commit[:10]
        known = f" ({short}{', with uncommitted changes' if self.dirty else ''})" if short else ""
        return f"{self.name if self.kind != 'working tree' else 'working tree'}{known if self.name != short else ''}"


@dataclass(frozen=True)
class Settings:
    """How it was decided. tolerance, floor_s: what stands where no case has its own; both must be exceeded.

    confidence: with which all intervals of the session, at all looks, hold the true ratio together.
    budget_s: the most seconds of rounds a case; slice_s: of them, in each process.
    looks: the numbers of processes after which the intervals are looked at.
    """

    tolerance: float
    floor_s: float
    confidence: float
    budget_s: float
    slice_s: float
    looks: tuple[int, ...]


@dataclass(frozen=True)
class Ratio:
    """Candidate's time over baseline's; above 1 is slower. low, high: its interval, null where there is none.

    baseline_s: the baseline's median seconds a call. processes, pairs: what it rests on. smallest_detectable: the
    least slowdown, as a share, that would have been called a regression with intervals of this width.
    """

    value: float
    low: float | None
    high: float | None
    baseline_s: float
    tolerance: float
    floor_s: float
    processes: int
    pairs: int
    smallest_detectable: float | None


@dataclass(frozen=True)
class Finding:
    """One thing that was compared, and what came of it.

    kind: `time` (ratio says how), `exact` (a figure or a verdict: baseline and candidate hold it), `implementation`
    (is it there, does it load) or `session` (what concerns all). case: axes that do not matter are empty.
    baseline, candidate: a number, or a verdict as text; None where that side has none.
    accepted: why a failing finding does not fail the gate; empty where nobody accepted it.
    """

    kind: str
    outcome: Outcome
    case: Case
    detail: str = ""
    suite: str = ""
    metric: str = ""
    unit: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    baseline: float | str | None = None
    candidate: float | str | None = None
    ratio: Ratio | None = None
    accepted: str = ""

    @property
    def fails(self) -> bool:
        """Whether it fails the gate."""
        return self.outcome.fails and not self.accepted

    def to_json(self) -> dict[str, Any]:
        """Return its entry of gate.json."""
        keys = asdict(self) | {"outcome": str(self.outcome), "labels": dict(self.labels)}
        del keys["case"]
        return {**self.case.to_json(), **keys}

    @classmethod
    def from_json(cls, keys: Mapping[str, Any]) -> Finding:
        """Build it from its entry."""
        rest = {name: keys[name] for name in cls.__dataclass_fields__ if name not in ("case", "outcome", "ratio")}
        ratio = None if keys["ratio"] is None else Ratio(**keys["ratio"])
        return cls(case=Case.from_json(keys), outcome=Outcome(keys["outcome"]), ratio=ratio, **rest)


@dataclass(frozen=True)
class Gate:
    """A session of the gate.

    compared: figures and verdicts that were compared exactly, those that are alike included.
    notes: what a reader must know to trust it. seconds: what the time went into, by name.
    """

    baseline: Side
    candidate: Side
    settings: Settings
    findings: tuple[Finding, ...]
    compared: int = 0
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """Return what it comes to: one failure outweighs any doubt, and what compared nothing has not passed."""
        if any(finding.fails for finding in self.findings) or not (self.findings or self.compared):
            return Status.FAILED
        return Status.CANNOT_TELL if any(finding.outcome.is_open for finding in self.findings) else Status.PASSED

    def of(self, *outcomes: Outcome) -> list[Finding]:
        """Return the findings of these outcomes."""
        return [finding for finding in self.findings if finding.outcome in outcomes]

    def times(self) -> list[Finding]:
        """Return the cases whose times were compared, the worst first."""
        timed = [finding for finding in self.findings if finding.ratio]
        return sorted(timed, key=lambda finding: -(finding.ratio.value if finding.ratio else 0.0))

    def write(self, file: Path) -> None:
        """Write gate.json."""
        file.write_text(json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n", encoding="utf-8")

    def to_json(self) -> dict[str, Any]:
        """Return what gate.json holds."""
        return {
            "schema_version": SCHEMA_VERSION,
            "status": str(self.status),
            "baseline": asdict(self.baseline),
            "candidate": asdict(self.candidate),
            "settings": asdict(self.settings),
            "compared": self.compared,
            "notes": list(self.notes),
            "seconds": dict(self.seconds),
            "findings": [finding.to_json() for finding in self.findings],
        }

    @classmethod
    def read(cls, file: Path) -> Gate:
        """Read gate.json; raise UnreadableRun, naming the file, where it is none or of another schema."""
        try:
            keys = read_versioned(file, SCHEMA_VERSION)
            settings = keys["settings"]
            return cls(
                Side(**keys["baseline"]),
                Side(**keys["candidate"]),
                Settings(**(settings | {"looks": tuple(settings["looks"])})),
                tuple(_findings(keys["findings"])),
                keys["compared"],
                tuple(keys["notes"]),
                keys["seconds"],
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnreadableRun(f"{file}: not what a gate writes: {type(error).__name__}: {error!s:.200}") from error


def _findings(entries: list[Mapping[str, Any]]) -> Iterator[Finding]:
    for index, entry in enumerate(entries):
        try:
            yield Finding.from_json(entry)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"findings[{index}]: {type(error).__name__}: {error}") from error
