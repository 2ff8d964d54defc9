"""A stored run as a baseline: what it measured without a clock, and how its times stood to the reference's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradgauge.cases import REFERENCE, Case
from gradgauge.gate.findings import Side
from gradgauge.gate.pair_job import Technique
from gradgauge.gate.recorded import Recorded
from gradgauge.gate.sequence import Stored
from gradgauge.runs import RunFolder, UnreadableRun
from gradgauge.timing import usual_protocol

SAME_MACHINE = (
    "machine.cpu",
    "machine.logical_cores",
    "python",
    "packages.torch",
    "torch.threads",
    "torch.cpu_capability",
)
"""Of a run's environment, what times and their ratios hang on."""


@dataclass(frozen=True)
class StoredRun:
    """A run folder that somebody kept. A file within it stands for it, too."""

    folder: RunFolder
    recorded: Recorded
    description: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> StoredRun:
        """Read it; raise UnreadableRun where there is none, or where it was cut short."""
        if not path.exists():
            raise UnreadableRun(f"--baseline {path}: no such file or folder")
        folder = RunFolder.open(path if path.is_dir() else path.parent)
        return cls(folder, Recorded.read(folder), folder.read_description())

    @property
    def side(self) -> Side:
        """Return what the gate calls it."""
        git = self.description["environment"].get("git") or {}
        return Side("run", self.folder.path.name, git.get("commit") or "", bool(git.get("dirty")))

    @property
    def preset(self) -> str:
        """Return the preset that it was measured with."""
        return str(self.description["preset"])

    @property
    def seed(self) -> int:
        """Return the seed of its inputs."""
        return int(self.description["seed"])

    @property
    def techniques(self) -> list[Technique]:
        """Return what it measured."""
        cases = (record.case for record in self.recorded.records if record.case.function and record.case.implementation)
        return list(dict.fromkeys((case.function, case.implementation) for case in cases))

    def recorded_for(self, candidate: RunFolder) -> Recorded:
        """Return what it recorded of the cases that the candidate's run was to measure, too."""
        planned = Recorded.read(candidate).planned
        kept = tuple(record for record in self.recorded.records if (record.suite, record.case) in planned)
        return replace(self.recorded, records=kept)

    def logs(self, cases: Sequence[Case]) -> dict[Case, Stored]:
        """Return log(case's time / reference's time) of each of the cases that it timed, the reference's own left out.

        It was measured in one process, of which it has one figure.
        """
        found = {}
        for record in self.recorded.records:
            case = record.case
            labels = usual_protocol(case.pass_, case.device).labels
            if record.metric == "speedup" and record.value and record.value > 0 and dict(record.labels) == labels:
                found[case] = Stored(-math.log(record.value), 1)
        timed = [case for case in cases if (case.implementation, case.mode) != (REFERENCE, "eager")]
        return {case: found[case] for case in timed if case in found}

    def differences_to(self, candidate: RunFolder) -> list[str]:
        """Return what of the machine and its software is otherwise in the candidate's run, a line each."""
        then, now = (found["environment"] for found in (self.description, candidate.read_description()))
        values = {key: (_at(then, key), _at(now, key)) for key in SAME_MACHINE}
        return [
            f"{key} was {old} in the stored run and is {new} here" for key, (old, new) in values.items() if old != new
        ]


def _at(values: Mapping[str, Any], key: str) -> Any:
    found: Any = values
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
