"""Did the machine hold still? The control: fixed work that was timed in turns with everything else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import median

from gradgauge.records import Series
from gradgauge.report.data import RunData
from gradgauge.report.formatting import percent
from gradgauge.report.once import once_a_run

SERIES = "control"
MOST_DRIFT = 0.10

FEWEST_POINTS = 3
"""Fewer have no median that a single point could not carry off."""

FEWEST_STRETCHES = 6
"""Where there are fewer timed blocks they are long, and what moves within one is not seen from block to block."""

_FARTHEST_S = 1e300
_FARTHEST = 1e9

Point = tuple[float, float]


@dataclass(frozen=True)
class Stretch:
    """Neighbouring points of the control, in seconds into the session and seconds a call."""

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
    """The control of one device. blocks: its points during each timed block, at least one, in the order of their time.

    It is judged by stretches: a block each, or parts of one where blocks are few, of FEWEST_POINTS at least.
    """

    device: str
    workload: str
    blocks: tuple[Stretch, ...]

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """Return all points, joined and in the order of their time."""
        return tuple(sorted(point for block in self.blocks for point in block.points))

    @cached_property
    def stretches(self) -> tuple[Stretch, ...]:
        """Return what is compared: at least one stretch, of fewer points only where there are no more in all."""
        parts = math.ceil(FEWEST_STRETCHES / len(self.blocks))
        found: list[tuple[Point, ...]] = []
        short: tuple[Point, ...] = ()
        for block in self.blocks:
            points = tuple(sorted((*short, *block.points)))
            is_short = len(points) < FEWEST_POINTS
            short = points if is_short else ()
            found += [] if is_short else _divided(points, min(parts, len(points) // FEWEST_POINTS))
        if short:
            found = [*found[:-1], tuple(sorted((*(found[-1] if found else ()), *short)))]
        return tuple(Stretch(points) for points in found)

    @cached_property
    def fastest(self) -> Stretch:
        """Return the stretch of the smallest median."""
        return min(self.stretches, key=lambda stretch: stretch.median_s)

    @cached_property
    def slowest(self) -> Stretch:
        """Return the stretch of the largest median."""
        return max(self.stretches, key=lambda stretch: stretch.median_s)

    def change(self, time_s: float) -> float:
        """Return how far a time lies from the fastest stretch's median, as a share of that; above 0 is slower."""
        return min(time_s / self.fastest.median_s - 1, _FARTHEST)

    @property
    def drift(self) -> float:
        """Return by how much the slowest stretch's median is above the fastest one's, as a share of that."""
        return self.change(self.slowest.median_s)

    @property
    def has_drifted(self) -> bool:
        """Whether the device moved by more than a comparison across blocks can bear."""
        return self.drift > MOST_DRIFT

    @property
    def span_s(self) -> float:
        """Return the time from the first point to the last."""
        return self.points[-1][0] - self.points[0][0]

    @property
    def drift_in_words(self) -> str:
        """Return how far apart its extremes lie, and when they were.

        Such as `18 % longer at its slowest (41 s into the session) than at its fastest (3 s)`.
        """
        slowest, fastest = f"{self.slowest.start_s:.0f} s into the session", f"{self.fastest.start_s:.0f} s"
        return f"{percent(self.drift)} longer at its slowest ({slowest}) than at its fastest ({fastest})"


@once_a_run
def controls(run: RunData) -> list[Control]:
    """Return the control of each device, in the order in which they were first timed."""
    grouped: dict[tuple[str, str], list[Stretch]] = {}
    for series in run.series:
        if series.series == SERIES and not series.case.function and (points := _points(series)):
            case = series.case
            workload = " · ".join(part for part in (case.dtype, case.shape) if part)
            grouped.setdefault((case.device, workload), []).append(Stretch(points))
    return [Control(*key, tuple(sorted(found, key=lambda block: block.start_s))) for key, found in grouped.items()]


def _points(series: Series) -> tuple[Point, ...]:
    pairs = zip(series.x, series.y, strict=True)
    return tuple(sorted((x, y) for x, y in pairs if math.isfinite(x) and 0 < y < _FARTHEST_S))


def _divided(points: tuple[Point, ...], parts: int) -> list[tuple[Point, ...]]:
    edges = [index * len(points) // parts for index in range(parts + 1)]
    return [points[start:end] for start, end in pairwise(edges)]
