"""The runs that are compared, each with a letter that tables and drawings call it by."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gradgauge.report.data import RunData
from gradgauge.report.figures.style import Look, looks


@dataclass(frozen=True)
class Side:
    """A run. name: a letter; A is the base, which the others are held against."""

    name: str
    run: RunData

    @property
    def title(self) -> str:
        """Return the letter with the run's id: `B (20261124T014221Z-8961)`."""
        return f"{self.name} ({self.run.description.run_id})"

    @property
    def commit(self) -> str:
        """Return the commit that was measured, and whether files differed from it; nothing where that is unknown."""
        environment = self.run.description.environment
        git = environment.get("git") if isinstance(environment, dict) else None
        commit = git.get("commit") if isinstance(git, dict) else None
        if not isinstance(git, dict) or not isinstance(commit, str):
            return ""
        return f"{commit[:10]}{', with uncommitted changes' if git.get('dirty') is True else ''}"


def sides_of(runs: Sequence[RunData]) -> list[Side]:
    """Return the runs with their letters, the base first."""
    return [Side(letter, run) for letter, run in zip(string.ascii_uppercase, runs, strict=False)]


def merged_looks(sides: Sequence[Side]) -> dict[str, Look]:
    """Return one look for each implementation that any of the runs recorded, the same for all runs."""
    base = sides[0].run
    records = tuple(record for side in sides for record in side.run.records)
    return looks(replace(base, records=records, series=(), profiles=()))
