"""Changes of level in words: of what, by how much, since when, and whether the machine changed instead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from gradgauge.report.control import controls
from gradgauge.report.formatting import listed, ratio
from gradgauge.report.ranking import MARGIN
from gradgauge.report.trend.change_points import change_points, levels_of
from gradgauge.report.trend.histories import History, Point
from gradgauge.report.trend.machines import commit_of, software_changes
from gradgauge.report.trend.reading import Stored

_OF_A_NORMAL_INTERVAL = 1.96
_MOST_SOFTWARE = 3


@dataclass(frozen=True)
class Change:
    """A level that ended and one that began. factor: the later time over the earlier; at: the first run of the later.

    control: the control's factor from the same runs to the same runs, None where it is not known.
    """

    history: History
    factor: float
    before: Stored
    at: Stored
    position: int
    control: float | None = None

    @property
    def size(self) -> float:
        """Return how large it is, whether slower or faster."""
        return abs(math.log(self.factor))

    @property
    def is_shared(self) -> bool:
        """Whether the control moved the same way by half as much or more, so that it is the machine."""
        return self.control is not None and math.log(self.control) / math.log(self.factor) >= 0.5

    @property
    def by(self) -> str:
        """Return by how much, `1.21× slower`."""
        return f"{ratio(max(self.factor, 1 / self.factor))} {'slower' if self.factor > 1 else 'faster'}"

    @property
    def since(self) -> str:
        """Return since which run, and which commit it measured."""
        commit = commit_of(self.at)
        return f"since run {self.at.run_id}{f' ({commit})' if commit else ''}"

    @property
    def aside(self) -> str:
        """Return what the control did, and what else changed at that run."""
        if self.control is None:
            said = "no control to tell code from machine"
        elif self.is_shared:
            said = f"the control changed, too ({ratio(self.control)} as long): it is the machine"
        else:
            said = f"the control did not ({ratio(self.control)} as long)"
        software = software_changes(self.before, self.at)
        more = [f"{len(software) - _MOST_SOFTWARE} more"] if len(software) > _MOST_SOFTWARE else []
        told = listed([*software[:_MOST_SOFTWARE], *more]) if software else ""
        return f"{said}{f'; at the same run {told}' if told else ''}"

    @property
    def sentence(self) -> str:
        """Return it in words."""
        return f"{self.history.title}: {self.by} {self.since}; {self.aside}."


def changes_of(runs: Sequence[Stored], found: Sequence[History]) -> list[Change]:
    """Return the changes by MARGIN or more of all histories, the largest first.

    Less is not told: the same code differs by as much from one build to the next.
    """
    controls_s = [_controls_s(stored) for stored in runs]
    told = [change for history in found for change in _changes(runs, history, len(found), controls_s)]
    return sorted(told, key=lambda change: -change.size)


def _changes(
    runs: Sequence[Stored], history: History, sequences: int, controls_s: Sequence[dict[str, float]]
) -> list[Change]:
    points = history.points
    logs = [math.log(point.value) for point in points]
    positions = change_points(logs, sequences, _least_spread(points))
    levels = levels_of(logs, positions)
    edges = [0, *positions, len(points)]
    told = []
    for index, position in enumerate(positions):
        step = levels[index + 1] - levels[index]
        if abs(step) >= math.log(MARGIN):
            sides = points[edges[index] : position], points[position : edges[index + 2]]
            control = _control_factor(sides, history.place.device, controls_s)
            before, at = runs[points[position - 1].run], runs[points[position].run]
            told.append(Change(history, math.exp(step), before, at, position, control))
    return told


def _least_spread(points: Sequence[Point]) -> float:
    """Return what the intervals say of a run's own uncertainty, in the median, as one of a logarithm."""
    known = [(point.record.low, point.record.high) for point in points]
    widths = [math.log(high / low) for low, high in known if low and high and 0 < low <= high]
    return median(widths) / 2 / _OF_A_NORMAL_INTERVAL if widths else 0.0


def _control_factor(
    sides: tuple[Sequence[Point], Sequence[Point]], device: str, controls_s: Sequence[dict[str, float]]
) -> float | None:
    logs = [[math.log(here[device]) for point in side if device in (here := controls_s[point.run])] for side in sides]
    return math.exp(fmean(logs[1]) - fmean(logs[0])) if all(logs) else None


def _controls_s(stored: Stored) -> dict[str, float]:
    return {found.device: median(time_s for _, time_s in found.points) for found in controls(stored.run)}
