"""Did the machine hold still? The control: fixed work that was timed in turns with everything else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from gradgauge.records import Series
from gradgauge.report.data import RunData
from gradgauge.report.formatting import percent

SERIES = "control"
MOST_DRIFT = 0.10
_FARTHEST_S = 1e300

Point = tuple[float, float]


@dataclass(frozen=True)
class TimedBlock:
    """The control's points during one timed block, in seconds into the session and seconds a call."""

    points: tuple[Point, ...]

    @property
    def start_s(self) -> float:
        """Return when its first point was taken."""
        return self.points[0][0]

    @property
    def end_s(self) -> float:
        """Return when its last point was taken."""
        return self.points[-1][0]

    @cached_property
    def median_s(self) -> float:
        """Return the median of its points."""
        return median(y for _, y in self.points)


@dataclass(frozen=True)
class Control:
    """The control of one device. blocks: at least one, in the order of their time."""

    device: str
    workload: str
    blocks: tuple[TimedBlock, ...]

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """Return all points, joined and in the order of their time."""
        return tuple(sorted(point for block in self.blocks for point in block.points))

    @cached_property
    def median_s(self) -> float:
        """Return the median of all points."""
        return median(y for _, y in self.points)

    def change(self, time_s: float) -> float:
        """Return how far a time lies from the control's median, as a share of it; above 0 is slower."""
        return time_s / self.median_s - 1

    @cached_property
    def worst(self) -> TimedBlock:
        """Return the block whose median lies farthest from that of all points."""
        return max(self.blocks, key=lambda block: abs(self.change(block.median_s)))

    @property
    def drift(self) -> float:
        """Return how far the worst block's median lies from that of all points, as a share of it, without sign."""
        return abs(self.change(self.worst.median_s))

    @property
    def has_drifted(self) -> bool:
        """Whether the device moved by more than a comparison across blocks can bear."""
        return self.drift > MOST_DRIFT

    @property
    def span_s(self) -> float:
        """Return the time from the first point to the last."""
        return self.points[-1][0] - self.points[0][0]

    @property
    def worst_in_words(self) -> str:
        """Return what the worst block's control did: `18 % slower than its median, 41 s into the session`."""
        direction = "slower" if self.change(self.worst.median_s) > 0 else "faster"
        return f"{percent(self.drift)} {direction} than its median, {self.worst.start_s:.0f} s into the session"


def controls(run: RunData) -> list[Control]:
    """Return the control of each device, in the order in which they were first timed."""
    grouped: dict[tuple[str, str], list[TimedBlock]] = {}
    for series in run.series:
        points = _points(series)
        if series.series == SERIES and not series.case.function and points:
            case = series.case
            workload = " · ".join(part for part in (case.dtype, case.shape) if part)
            grouped.setdefault((case.device, workload), []).append(TimedBlock(points))
    return [Control(*key, tuple(sorted(found, key=lambda block: block.start_s))) for key, found in grouped.items()]


def _points(series: Series) -> tuple[Point, ...]:
    pairs = zip(series.x, series.y, strict=True)
    return tuple(sorted((x, y) for x, y in pairs if math.isfinite(x) and 0 < y < _FARTHEST_S))
