"""What the processes that take pairs are asked for: one JSON file (no torch)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gradgauge.grid import Selection

BASELINE, CANDIDATE = SIDES = ("baseline", "candidate")

Technique = tuple[str, str]
"""Function and implementation."""


@dataclass(frozen=True)
class PairJob:
    """Both revisions of the implementations, and how their pairs are taken.

    baseline, candidate: the folders that each side reads functions from, in this order.
    techniques: what is compared: the candidate's function and implementation, and the baseline's name of it.
    unloadable: files that killed a process. preset, selection: which cases are planned.
    slice_s: seconds of rounds a case. plants: a case's slug → a slowdown that is planted in the candidate, as a share.
    against_reference: side 0 is the candidate's own reference in eager mode, in place of the baseline.
    """

    baseline: tuple[str, ...]
    candidate: tuple[str, ...]
    techniques: tuple[tuple[str, str, str], ...]
    preset: str
    selection: Selection
    seed: int
    threads: int | None
    slice_s: float
    unloadable: Mapping[str, str]
    plants: Mapping[str, float] = field(default_factory=dict)
    against_reference: bool = False

    @property
    def names(self) -> dict[Technique, str]:
        """Return the baseline's name of each of the candidate's techniques."""
        return {(function, candidate): baseline for function, candidate, baseline in self.techniques}

    def write(self, file: Path) -> None:
        """Write the job as JSON."""
        file.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> PairJob:
        """Read what `write` wrote."""
        keys: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        keys |= {name: tuple(keys[name]) for name in ("baseline", "candidate")}
        keys["techniques"] = tuple(tuple(names) for names in keys["techniques"])
        keys["selection"] = Selection.from_json(keys["selection"])
        return cls(**keys)
