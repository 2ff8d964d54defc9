"""The words in which a worker tells its parent which step it is at; a death is charged to the step it names."""

from __future__ import annotations

import json
from dataclasses import dataclass

from gradgauge.cases import Case


@dataclass(frozen=True)
class CaseStep:
    """A step of one case: `doing` reads on from "while", as in "while warming up"."""

    suite: str
    case: Case
    doing: str

    def __str__(self) -> str:
        return json.dumps({"suite": self.suite, "case": self.case.to_json(), "doing": self.doing})


@dataclass(frozen=True)
class LoadStep:
    """A file of somebody's is being run for the first time."""

    file: str

    def __str__(self) -> str:
        return json.dumps({"file": self.file})


def read_step(text: str) -> CaseStep | LoadStep | None:
    """Return the step that the text tells, None for one that is nobody's case (starting, planning, ending)."""
    try:
        step = json.loads(text)
    except ValueError:
        return None
    if "file" in step:
        return LoadStep(step["file"])
    return CaseStep(step["suite"], Case.from_json(step["case"]), step["doing"])
