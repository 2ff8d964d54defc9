"""The child process that plans: `python -m gradgauge.gate.planning JOB` loads both revisions and prints what there is.

It runs the files of both sides, so that the process which judges them need not.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gradgauge.cases import Case
from gradgauge.gate.pair_job import BASELINE, CANDIDATE, PairJob, Technique
from gradgauge.loading import LOADED

PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Plan:
    """What can be timed on both sides.

    cases: of techniques that load on both sides, and can run on this machine. left_out: what cannot, and why.
    loaded: side → techniques that load there, under the candidate's names. broken: side → file and what is wrong.
    imported: modules' files that the implementations of both sides share, because they import them by name.
    twice: operators that both sides define, and whose they are; the cases of those techniques are not planned.
    """

    cases: tuple[Case, ...]
    left_out: tuple[str, ...]
    loaded: dict[str, tuple[Technique, ...]]
    broken: dict[str, tuple[tuple[str, str], ...]]
    imported: tuple[str, ...]
    twice: tuple[tuple[str, Technique], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what is printed."""
        return asdict(self) | {"cases": [case.to_json() for case in self.cases]}

    @classmethod
    def from_json(cls, keys: dict[str, Any]) -> Plan:
        """Read what was printed."""
        return cls(
            tuple(Case.from_json(case) for case in keys["cases"]),
            tuple(keys["left_out"]),
            {side: tuple((function, name) for function, name in found) for side, found in keys["loaded"].items()},
            {side: tuple((file, why) for file, why in found) for side, found in keys["broken"].items()},
            tuple(keys["imported"]),
            tuple((operator, (function, name)) for operator, (function, name) in keys["twice"]),
        )


def plan_times(job: PairJob) -> Plan:
    """Return what can be timed of the techniques that the job names: the cases that suite `speed` would time."""
    from gradgauge.catalog import builtin_folder
    from gradgauge.devices import available_devices, choose_devices, unavailable_reason
    from gradgauge.gate.pairing import Revisions
    from gradgauge.grid import plan
    from gradgauge.loading import load_module

    before = {id(module) for module in sys.modules.values()}
    revisions = Revisions.load(job)
    imported = _imported(before)
    names = job.names
    sides = {BASELINE: revisions.baseline, CANDIDATE: revisions.candidate}
    loaded: dict[str, tuple[Technique, ...]] = {}
    for side, catalog in sides.items():
        known = {(name, each) for name, entry in catalog.functions.items() for each in entry.implementations}
        loaded[side] = tuple(
            (function, name)
            for (function, name), theirs in names.items()
            if (function, theirs if side == BASELINE else name) in known
        )
    twice = tuple((name, (file.parent.name, file.stem)) for name, file in revisions.twice.items())
    both = set(loaded[BASELINE]) & set(loaded[CANDIDATE]) - {technique for _, technique in twice}
    speed = load_module(builtin_folder("suites") / "speed.py").SUITE
    devices = choose_devices(job.selection.devices, available_devices())
    cases: list[Case] = []
    left_out: dict[str, None] = {}
    for case in plan(speed, job.preset, job.selection, revisions.candidate.functions.values(), devices):
        if (case.function, case.implementation) in both:
            found = revisions.candidate.functions[case.function].implementations[case.implementation]
            reason = unavailable_reason(found.implementation, case.mode, case.device)
            if reason:
                left_out[f"{case.function} · {case.technique} on {case.device}: {reason}"] = None
            else:
                cases.append(case)
    broken = {side: tuple((each.file, each.message) for each in catalog.broken) for side, catalog in sides.items()}
    return Plan(tuple(cases), tuple(left_out), loaded, broken, imported, twice)


def _imported(before: set[int]) -> tuple[str, ...]:
    """Return the files of the modules that were imported by name since, but for the engine's own."""
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        # What the catalog loads by path has a name of its own on each side, and is not shared.
        if id(module) in before or not file or name.startswith(LOADED):
            continue
        path = Path(file).resolve()
        if not path.is_relative_to(PACKAGE):
            found.append(str(path))
    return tuple(sorted(found))


def main() -> None:
    """Read the job, print the plan."""
    from gradgauge.devices import UnknownDevice
    from gradgauge.lifeline import die_with_parent

    die_with_parent()
    answer, sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8"), sys.stderr
    os.dup2(2, 1)
    try:
        told = plan_times(PairJob.read(Path(sys.argv[1]))).to_json()
    except UnknownDevice as error:
        told = {"refused": str(error)}
    with answer:
        json.dump(told, answer)


if __name__ == "__main__":
    main()
