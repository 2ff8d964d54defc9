"""What is wrong, each fault once: what many records of one technique say alike, told where it shows best."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gradgauge.cases import DTYPES, MODES
from gradgauge.natures import measured, natures_in, pattern_of, without_numbers
from gradgauge.records import Record, Verdict
from gradgauge.report.behavior import is_behavior
from gradgauge.report.formatting import listed, plural
from gradgauge.report.kinds import kind_of

ATLAS = ("atlas_value", "atlas_gradient")
_CLEAREST = ("random", "edges", "nonfinite", "kinks")
_MOST_NAMES = 2
_MOST_PLACES = 4


@dataclass(frozen=True)
class Fault:
    """One fault of one implementation by one metric. what: its nature and where, as measured in `record`.

    records: all that show it. record: the one that shows it best, on random inputs in float32 where there is a choice.
    """

    what: str
    record: Record
    records: tuple[Record, ...]

    @property
    def metric(self) -> str:
        """Return the metric that it shows in."""
        return self.record.metric

    @property
    def name(self) -> str:
        """Return its nature without the inputs that it is told for: `the sign is wrong`."""
        return self.what if self.what.startswith("at ") else self.what.partition(" for ")[0]

    @property
    def technique(self) -> str:
        """Return the implementation and the modes in which it shows."""
        modes = [mode for mode in dict.fromkeys(record.case.mode for record in self.records) if mode]
        return " · ".join(filter(None, (self.record.case.implementation, listed(modes) if modes else "")))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return on which kinds of input it shows."""
        return tuple(dict.fromkeys(kind for kind in map(kind_of, self.records) if kind))

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Return in which dtypes it shows."""
        return tuple(dict.fromkeys(record.case.dtype for record in self.records))

    @property
    def extent(self) -> str:
        """Return where `what` was measured and where else it shows: `random, float32; also in 3 other dtypes`."""
        kind, dtype = kind_of(self.record), self.record.case.dtype
        here = ", ".join(filter(None, (kind, dtype)))
        more = [
            _others([other for other in self.kinds if other != kind], "kind of input", "kinds of input"),
            _others([other for other in self.dtypes if other != dtype], "dtype", "dtypes"),
        ]
        also = listed([said for said in more if said]) if any(more) else ""
        return "; ".join(filter(None, (here, f"also in {also}" if also else "")))


def natures(record: Record) -> list[str]:
    """Return what a record says is wrong, without figures and, where there is a better word, without one element's.

    Such as `the sign is wrong for x < −5`; its metric and verdict where it says nothing. A behaviour says one thing.
    """
    if is_behavior(record) and record.detail:
        return [measured(record.detail)]
    return natures_in(record.metric, record.detail) or [f"{record.metric} {record.verdict}"]


def faults_of(records: Iterable[Record]) -> list[Fault]:
    """Return the faults that records of one implementation show: the commonest of each metric first, places last."""
    grouped: dict[tuple[str, Verdict, str], list[tuple[str, Record]]] = {}
    at_places: dict[tuple[str, Verdict], list[Record]] = {}
    for record in records:
        if record.metric in ATLAS:
            at_places.setdefault((record.metric, record.verdict), []).append(record)
        else:
            for what in natures(record):
                alike = without_numbers(what) if is_behavior(record) else pattern_of(what)
                grouped.setdefault((record.metric, record.verdict, alike), []).append((what, record))
    found = [_fault(group) for group in grouped.values()]
    found.sort(key=lambda fault: -len(fault.records))
    first = {fault.metric: fault for fault in reversed(found)}
    ordered = [fault for fault in found if fault is first[fault.metric]]
    ordered += [fault for fault in found if fault is not first[fault.metric]]
    return [*ordered, *(_fault_at_places(group) for group in at_places.values())]


def _fault(group: list[tuple[str, Record]]) -> Fault:
    what, record = min(group, key=lambda pair: _clarity(pair[1]))
    return Fault(what, record, tuple(each for _, each in group))


def _fault_at_places(records: list[Record]) -> Fault:
    places = list(dict.fromkeys(record.labels.get("at", "?") for record in records))
    more = len(places) - _MOST_PLACES
    shown = [*places[:_MOST_PLACES], plural(more, "more place")] if more > 0 else places
    return Fault(f"wrong at {listed(shown)}", records[0], tuple(records))


def _clarity(record: Record) -> tuple[int, int, int, float]:
    return (
        _rank(record.case.dtype, ("float32", *DTYPES)),
        _rank(kind_of(record), _CLEAREST),
        _rank(record.case.mode, MODES),
        -(record.value or 0.0),
    )


def _rank(name: str, known: tuple[str, ...]) -> int:
    return known.index(name) if name in known else len(known)


def _others(names: list[str], one: str, many: str) -> str:
    if len(names) <= _MOST_NAMES:
        return listed(names) if names else ""
    return f"{len(names)} other {many if len(names) > 1 else one}"
