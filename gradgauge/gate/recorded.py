"""What one run recorded, as the gate compares it (no torch)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradgauge.cases import Case
from gradgauge.records import Metric, Record
from gradgauge.report.data import RunData
from gradgauge.runs import RunFolder, UnreadableRun


@dataclass(frozen=True)
class Recorded:
    """The records of a run, its metrics by name, and which cases each suite was to measure."""

    records: tuple[Record, ...]
    metrics: Mapping[str, Metric]
    planned: frozenset[tuple[str, Case]] = frozenset()

    @classmethod
    def read(cls, folder: RunFolder) -> Recorded:
        """Read a run folder; raise UnreadableRun where it was cut short."""
        run = RunData.load(folder)
        described = run.description
        if run.cut_short or not described.complete:
            raise UnreadableRun(f"{folder.path}: cut short, so that what it lacks says nothing")
        for record in run.records:
            if record.metric not in described.metrics:
                raise UnreadableRun(f"{folder.run_json}: metrics: {record.metric!r} is missing, a record has it")
        planned = frozenset((cell.suite, cell.case) for cell in described.planned)
        return cls(run.records, described.metrics, planned)
