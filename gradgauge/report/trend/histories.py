"""One figure of one technique over the runs of a machine, at the shape that most of them have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gradgauge.records import Record
from gradgauge.report.places import Place
from gradgauge.report.tables.cells import pass_title
from gradgauge.report.trend.reading import Stored


@dataclass(frozen=True)
class Point:
    """What a run recorded. run: which one of the machine's, from 0."""

    run: int
    record: Record

    @property
    def value(self) -> float:
        """Return the figure, which every record here has."""
        return float(self.record.value or 0)


@dataclass(frozen=True)
class History:
    """A metric of a technique, pass and place over the runs that have it, the earliest first."""

    place: Place
    metric: str
    shape: str
    points: tuple[Point, ...]

    @property
    def technique(self) -> str:
        """Return the technique."""
        return self.points[0].record.case.technique

    @property
    def pass_(self) -> str:
        """Return the pass."""
        return self.points[0].record.case.pass_

    @property
    def title(self) -> str:
        """Return what it is of: `relu · where · eager, forward (cpu · float32, 1024x1024)`."""
        pass_ = f", {pass_title(self.pass_)}" if self.pass_ else ""
        where = ", ".join(filter(None, (self.place.title, self.shape)))
        return f"{self.place.function} · {self.technique}{pass_} ({where})"


_Key = tuple[str, str, str, str, Place]


def times(runs: Sequence[Stored]) -> list[History]:
    """Return the times of every technique, pass and place."""
    return histories(runs, lambda record: record.metric == "time" and record.suite == "speed")


def histories(runs: Sequence[Stored], wanted: Callable[[Record], bool]) -> list[History]:
    """Return the wanted figures, each at the shape that most runs have, the largest of those."""
    found: dict[_Key, dict[str, list[Point]]] = {}
    for index, stored in enumerate(runs):
        for record in stored.run.records:
            if wanted(record) and record.case.function:
                case, place = record.case, Place.of(record)
                key = (record.metric, record.unit, case.technique, case.pass_, place)
                found.setdefault(key, {}).setdefault(case.shape, []).append(Point(index, record))
    chosen = (_largest_common(runs, by_shape) for by_shape in found.values())
    return [
        History(key[-1], key[0], points[0].record.case.shape, tuple(points))
        for key, points in zip(found, chosen, strict=True)
    ]


def steps(history: History) -> Iterator[tuple[Point, Point]]:
    """Yield neighbouring points of different value: of an exact figure, each of these is a change."""
    for before, after in zip(history.points, history.points[1:], strict=False):
        if before.value != after.value:
            yield before, after


def _largest_common(runs: Sequence[Stored], by_shape: dict[str, list[Point]]) -> list[Point]:
    def size(points: list[Point]) -> tuple[int, int]:
        return len(points), runs[points[-1].run].run.elements(points[-1].record.case) or 0

    return max(by_shape.values(), key=size)
