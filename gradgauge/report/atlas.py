"""What each technique computes at the places where a function is most easily got wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gradgauge.cases import REFERENCE
from gradgauge.records import Record
from gradgauge.report.data import RunData
from gradgauge.report.faults import ATLAS
from gradgauge.report.formatting import MISSING, listed, signed

VALUE, SLOPE = ATLAS
_ANY_SLOPE = re.compile(r"any slope from (\S+) to (\S+) is right")


@dataclass(frozen=True)
class Spot:
    """One technique at one place: the records of its value and its slope, None where it has none."""

    value: Record | None = None
    slope: Record | None = None

    @property
    def look(self) -> tuple[str, ...]:
        """Return all that can be told of it: two spots of one look need no cell each."""
        return tuple(
            text
            for record in (self.value, self.slope)
            for text in ((shown(record), record.verdict, right_of(record)) if record else ("",))
        )


@dataclass(frozen=True)
class Atlas:
    """The places of one function along one input. columns: techniques that agree at all places, together.

    places: from −inf to +inf, NaN last. spots: by technique, then by place.
    """

    function: str
    along: str
    dtype: str
    places: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    spots: Mapping[str, Mapping[str, Spot]]

    def spot(self, column: tuple[str, ...], place: str) -> Spot:
        """Return what the techniques of a column compute at a place."""
        return self.spots[column[0]].get(place, Spot())

    def kink_at(self, place: str) -> tuple[float, float] | None:
        """Return the least and the largest right slope where any between is; None where one slope is right."""
        for by_place in self.spots.values():
            slope = by_place.get(place, Spot()).slope
            found = _ANY_SLOPE.search(slope.detail) if slope else None
            if found:
                return float(found[1]), float(found[2])
        return None


def atlases(run: RunData, function: str) -> list[Atlas]:
    """Return the atlas of a function along each of its inputs, one for each device and dtype that has one."""
    grouped: dict[tuple[str, str, str], list[Record]] = {}
    for record in run.records_of(function):
        if record.suite == "gradients" and record.metric in ATLAS:
            key = (record.labels.get("along", ""), record.case.device, record.case.dtype)
            grouped.setdefault(key, []).append(record)
    several = len({device for _, device, _ in grouped}) > 1
    return _merged(
        [
            _atlas(function, along, f"{dtype} on {device}" if several else dtype, records)
            for (along, device, dtype), records in grouped.items()
        ]
    )


def shown(record: Record) -> str:
    """Return what a record found, as a cell has it: a number, or the name of one that is not finite."""
    if record.value is not None:
        return signed(float(record.value)) if record.metric == VALUE else signed(float(record.value)).lstrip("+")
    return record.detail.partition(";")[0] or MISSING


def right_of(record: Record) -> str:
    """Return what a detail says is right; nothing where it does not."""
    return next((part.strip() for part in record.detail.split(";") if part.endswith("is right")), "")


def point_of(place: str) -> float | None:
    """Return the number that a place is named after; None where it is a neighbour or has a name of its own.

    >>> point_of("−5"), point_of("+0"), point_of("−5 + 2 ulp"), point_of("largest")
    (-5.0, 0.0, None, None)
    """
    try:
        return float(place.replace("−", "-"))
    except ValueError:
        return None


def _merged(found: list[Atlas]) -> list[Atlas]:
    """Return the atlases, those of several inputs as one where they show the same."""
    alike: dict[object, list[Atlas]] = {}
    for atlas in found:
        looks = tuple(atlas.spot(column, place).look for column in atlas.columns for place in atlas.places)
        alike.setdefault((atlas.dtype, atlas.places, atlas.columns, looks), []).append(atlas)
    return [replace(group[0], along=listed([atlas.along for atlas in group], "or")) for group in alike.values()]


def _atlas(function: str, along: str, dtype: str, records: list[Record]) -> Atlas:
    spots: dict[str, dict[str, Spot]] = {}
    for record in records:
        by_place = spots.setdefault(record.case.technique, {})
        place = record.labels.get("at", "?")
        known = by_place.get(place, Spot())
        is_value = record.metric == VALUE
        by_place[place] = Spot(record, known.slope) if is_value else Spot(known.value, record)
    places = tuple(dict.fromkeys(place for by_place in spots.values() for place in by_place))
    columns: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for technique, by_place in spots.items():
        columns.setdefault(tuple(by_place.get(place, Spot()).look for place in places), []).append(technique)
    ordered = sorted(columns.values(), key=lambda names: not any(name.startswith(f"{REFERENCE} ·") for name in names))
    return Atlas(function, along, dtype, places, tuple(map(tuple, ordered)), spots)
