"""The places where a function is most easily got wrong: kinks and edges with their neighbours, extremes (no torch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gradgauge.model import Function

KINDS = ("random", "far", "kinks", "edges", "nonfinite")
"""What an element of the main inputs can be: drawn at random, of any size up to 1e4, at or next to a joint, another
edge, ±inf or NaN."""

NEIGHBOURS = (0, 1, 2, 8)
"""How many units in the last place off a joint or an edge its neighbours lie, on both sides."""

Unit = Literal["", "largest", "smallest"]


@dataclass(frozen=True)
class Place:
    """An input worth trying, the same in every dtype but for what it comes to.

    value: in `unit`: plain, or times the largest finite or the smallest subnormal number of the dtype.
    steps: units in the last place beyond it, downward where negative.
    """

    name: str
    value: float
    kind: str
    steps: int = 0
    unit: Unit = ""

    @property
    def is_landmark(self) -> bool:
        """Whether the report's atlas shows it: all about a joint, and of an edge the point itself."""
        return self.kind == "kinks" or not self.steps


def joints(function: Function) -> tuple[float, ...]:
    """Return where the pieces of a function of one input meet, ascending: breakpoints and kinks."""
    points = {float(point) for point in function.breakpoints}
    return tuple(sorted(points | {float(kink.point) for kink in function.kinks if kink.point is not None}))


def places(function: Function) -> tuple[Place, ...]:
    """Return every place that each input of the function is tried at, from −inf to +inf, NaN last.

    Two places may come to one number, such as the point next to a kink at 0 and the smallest subnormal.
    """
    met = joints(function)
    edges = {float(edge) for edge in function.edges} - set(met)
    found = [_place(point, steps, "kinks") for point in met for steps in _both_ways()]
    found += [_place(edge, steps, "edges") for edge in edges for steps in _both_ways()]
    always = {0.0, 1.0, -1.0, 1e4, -1e4} - set(met) - edges
    found += [_place(value, 0, "edges") for value in always]
    found.append(Place("−0", -0.0, "kinks" if 0.0 in met else "edges"))
    for sign, mark in ((1.0, ""), (-1.0, "−")):
        found += [
            Place(f"{mark}smallest", sign, "edges", unit="smallest"),
            Place(f"{mark}largest", sign, "edges", unit="largest"),
            Place(f"{mark or '+'}inf", sign * float("inf"), "nonfinite"),
        ]
    return (*sorted(found, key=_rank), Place("NaN", float("nan"), "nonfinite"))


def _both_ways() -> tuple[int, ...]:
    return tuple(sorted({sign * steps for steps in NEIGHBOURS for sign in (-1, 1)}))


def _place(value: float, steps: int, kind: str) -> Place:
    name = "+0" if value == 0 else f"{value:g}".replace("-", "−")
    beyond = f" {'+' if steps > 0 else '−'} {abs(steps)} ulp" if steps else ""
    return Place(name + beyond, value, kind, steps)


def _rank(place: Place) -> tuple[float, int, bool]:
    if place.unit == "smallest":  # one step off zero
        return (0.0, int(place.value), False)
    return (place.value * (1e300 if place.unit == "largest" else 1.0), place.steps, place.name != "−0")
