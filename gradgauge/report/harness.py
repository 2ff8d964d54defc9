"""What measuring itself costs a call, and which part of a time that is."""

from __future__ import annotations

from dataclasses import dataclass

from gradgauge.records import Record
from gradgauge.report.data import RunData
from gradgauge.report.places import Place


@dataclass(frozen=True)
class Harness:
    """The overhead of each device, pass and protocol, in seconds a call by the wall clock."""

    overhead_s: dict[tuple[str, str, str], float]

    @classmethod
    def of(cls, run: RunData) -> Harness:
        """Return what the run measured of the harness; nothing in older runs."""
        found = {
            (record.case.device, record.case.pass_, Place.of(record).protocol): float(record.value)
            for record in run.measured("machine", "overhead")
            if record.value is not None and Place.of(record).measured_clock == "wall"
        }
        return cls(found)

    def share(self, place: Place, times: list[Record]) -> float | None:
        """Return the largest part that the harness has in any of the times of a place; None where that is unknown."""
        if place.measured_clock != "wall":
            return None
        shares = [
            overhead_s / record.value
            for record in times
            if record.metric == "time" and record.value
            if (overhead_s := self.overhead_s.get((place.device, record.case.pass_, place.protocol))) is not None
        ]
        return max(shares, default=None)
