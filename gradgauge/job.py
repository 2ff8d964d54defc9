"""What the parent asks of a worker: one JSON file, complete, so that a new worker can go on where one died."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gradgauge.cases import Case
from gradgauge.grid import Selection
from gradgauge.timing import Timing


@dataclass(frozen=True)
class Job:
    """One measuring session, or what is left of it.

    run: the run folder. implementations: folders from outside. builtin: a folder in place of the built-in
    implementations, empty for those themselves. clockless: no suite that reads a clock or has nothing exact to say.
    timing: how cases are timed.
    timeout_s: how long one step may take.
    limit_s: seconds of measuring after which no further case is begun, None for no limit; spent_s: of them, by earlier
    workers. done: (suite, slug) already filed. dropped: function/implementation/device → why nothing more of it is
    measured. unloadable: file → how it killed a process. checked, unchecked: techniques that time sufficed for, and
    not, in some case.
    """

    run: str
    preset: str
    seed: int
    selection: Selection
    implementations: tuple[str, ...] = ()
    only_mine: bool = False
    threads: int | None = None
    timing: Timing = field(default_factory=Timing)
    limit_s: float | None = None
    timeout_s: float = 120.0
    spent_s: float = 0.0
    done: tuple[tuple[str, str], ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)
    unloadable: Mapping[str, str] = field(default_factory=dict)
    checked: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    builtin: str = ""
    clockless: bool = False

    def write(self, file: Path) -> None:
        """Write the job as JSON."""
        file.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Job:
        """Read what `write` wrote."""
        keys: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        keys["selection"] = Selection.from_json(keys["selection"])
        keys["timing"] = Timing.from_json(keys["timing"])
        keys["implementations"] = tuple(keys["implementations"])
        keys["checked"], keys["unchecked"] = tuple(keys["checked"]), tuple(keys["unchecked"])
        keys["done"] = tuple((suite, slug) for suite, slug in keys["done"])
        return cls(**keys)


def subject_key(case: Case) -> str:
    """Return the key of `Job.dropped`: what a crash rules out."""
    return f"{case.function}/{case.implementation}/{case.device}"


def technique_key(case: Case) -> str:
    """Return the key of `Job.checked` and `Job.unchecked`."""
    return f"{subject_key(case)}/{case.mode}"
