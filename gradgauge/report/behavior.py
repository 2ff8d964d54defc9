"""Where each technique can be used: the verdicts of the suite `behavior` as a matrix, and every reason once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gradgauge.cases import MODES
from gradgauge.records import AVAILABILITY, Record, Verdict
from gradgauge.report.data import RunData
from gradgauge.report.techniques import together

SUITE = "behavior"
SYMBOLS = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.CRASHED: "✗",
    Verdict.EXPECTED_FAIL: "△",
    Verdict.UNSUPPORTED: "∅",
    Verdict.UNAVAILABLE: "∅",
    Verdict.NOT_APPLICABLE: "—",
}
NOT_TRIED = "?"
LEGEND = "✓ right, ✗ wrong, △ wrong and known to be, ∅ unsupported, — does not apply, ? not tried"
# From what decides a cell to what leaves it open; what cannot be done in one dtype is not done.
_SEVERITY = (
    Verdict.FAIL,
    Verdict.CRASHED,
    Verdict.EXPECTED_FAIL,
    Verdict.UNSUPPORTED,
    Verdict.UNAVAILABLE,
    Verdict.NOISY,
    Verdict.PASS,
    Verdict.MEASURED,
    Verdict.NOT_APPLICABLE,
)
_WRONG = (Verdict.FAIL, Verdict.CRASHED, Verdict.EXPECTED_FAIL)
_RIGHT = (Verdict.PASS, Verdict.MEASURED, Verdict.NOISY)
_RAISED = re.compile(r".*?(?:: | raised )(?P<error>[A-Z]\w*[a-z]\w*: .*)", re.DOTALL)
_LOADED = re.compile(r"gradgauge_loaded_[0-9a-f]+_\w+\.?")
_NUMBER = re.compile(r"\d[\d.,]*(?:e[-+]?\d+)?")
_UNSAID = "no reason recorded"

Place = tuple[str, str]
"""A technique and a check: one cell."""


def is_behavior(record: Record) -> bool:
    """Whether a record is the verdict on a behaviour: of what cannot run at all, only the availability is told."""
    return record.suite == SUITE and record.metric != AVAILABILITY.name


@dataclass(frozen=True)
class Reason:
    """Why cells are what they are. number: what stands beside them; 0 where nothing does.

    concerns: checks, with the techniques that they concern, all cells together. dtypes: the only ones in which it was
    seen; nothing where that is all that were tried.
    """

    number: int
    verdict: Verdict
    text: str
    concerns: tuple[tuple[tuple[str, ...], str], ...]
    dtypes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spot:
    """A cell: the verdict that decides over dtypes and shapes, None where none was reached, and its reason's number."""

    verdict: Verdict | None
    number: int = 0

    @property
    def symbol(self) -> str:
        """Return the sign that stands for it."""
        return NOT_TRIED if self.verdict is None else SYMBOLS.get(self.verdict, "·")


@dataclass(frozen=True)
class Matrix:
    """The verdicts of one function on one device.

    asked: the checks that apply to one technique at least; idle: the others. reasons: of what is wrong or unsupported,
    numbered; of what does not apply; and what is worth saying of what is right.
    """

    function: str
    device: str
    techniques: tuple[str, ...]
    asked: tuple[str, ...]
    idle: tuple[str, ...]
    spots: Mapping[Place, Spot]
    dtypes: tuple[str, ...]
    reasons: tuple[Reason, ...]
    does_not_apply: tuple[Reason, ...]
    remarks: tuple[Reason, ...]

    @property
    def implementations(self) -> tuple[str, ...]:
        """Return the implementations, as their techniques come."""
        return tuple(dict.fromkeys(name.rpartition(" · ")[0] for name in self.techniques))

    @property
    def modes(self) -> tuple[str, ...]:
        """Return the modes that were tried."""
        found = {name.rpartition(" · ")[2] for name in self.techniques}
        return (*(mode for mode in MODES if mode in found), *sorted(found - set(MODES)))

    def spot(self, technique: str, check: str) -> Spot:
        """Return a cell."""
        return self.spots.get((technique, check), Spot(None))

    def lacking(self, implementations: Iterable[str]) -> list[str]:
        """Return which of the implementations were not tried at all."""
        return [name for name in implementations if name not in self.implementations]

    def reason_of(self, spot: Spot) -> Reason | None:
        """Return why a cell is what it is, where a number stands beside it."""
        return next((reason for reason in self.reasons if spot.number and reason.number == spot.number), None)


def matrices(run: RunData, function: str) -> list[Matrix]:
    """Return a matrix for each device on which the function's behaviour was tried."""
    every = run.records_of(function)
    here = [record for record in every if is_behavior(record) and "expected_fail" not in record.labels]
    absent = [record for record in every if record.metric == AVAILABILITY.name and record.case.mode]
    devices = dict.fromkeys(record.case.device for record in here)
    return [
        _matrix(
            function,
            device,
            [record for record in here if record.case.device == device],
            [record for record in absent if record.case.device in ("", device)],
            list(run.description.metrics),
        )
        for device in devices
    ]


def questions(run: RunData) -> list[tuple[str, str]]:
    """Return every check with what it asks, in the order in which the run declares them."""
    found = _ordered((record.metric for record in run.records if is_behavior(record)), list(run.description.metrics))
    declared = run.description.metrics
    return [(name, declared[name].help if name in declared else "") for name in found]


def _matrix(function: str, device: str, here: list[Record], absent: list[Record], declared: list[str]) -> Matrix:
    checks = _ordered((record.metric for record in here), declared)
    techniques = list(dict.fromkeys(record.case.technique for record in (*here, *absent)))
    by_place: dict[Place, list[Record]] = {}
    for record in here:
        by_place.setdefault((record.case.technique, record.metric), []).append(record)
    for record in absent:
        for check in checks:
            by_place.setdefault((record.case.technique, check), []).append(record)
    idle = [check for check in checks if _applies_to_nobody(check, by_place)]
    tell = _Teller(techniques, checks, by_place)
    reasons, numbers = tell.numbered()
    decisive = {place: min(found, key=_severity) for place, found in by_place.items()}
    return Matrix(
        function,
        device,
        tuple(techniques),
        tuple(check for check in checks if check not in idle),
        tuple(idle),
        {place: Spot(record.verdict, numbers.get((*place, id(record)), 0)) for place, record in decisive.items()},
        tuple(dict.fromkeys(record.case.dtype for record in here)),
        reasons,
        tell.of(lambda record: record.verdict is Verdict.NOT_APPLICABLE),
        tell.of(lambda record: record.verdict in _RIGHT and bool(record.detail)),
    )


def _applies_to_nobody(check: str, by_place: Mapping[Place, list[Record]]) -> bool:
    found = [record for (_, name), records in by_place.items() if name == check for record in records]
    return all(record.verdict in (Verdict.NOT_APPLICABLE, Verdict.UNAVAILABLE) for record in found)


def _severity(record: Record) -> int:
    return _SEVERITY.index(record.verdict)


def _ordered(found: Iterable[str], declared: list[str]) -> list[str]:
    names = list(dict.fromkeys(found))
    return [name for name in declared if name in names] + [name for name in names if name not in declared]


@dataclass(frozen=True)
class _Teller:
    """Says each reason once, of all cells that it concerns."""

    techniques: list[str]
    checks: list[str]
    by_place: Mapping[Place, list[Record]]

    def numbered(self) -> tuple[tuple[Reason, ...], dict[tuple[str, str, int], int]]:
        """Return the reasons for what is not right, numbered, and the number of each place's record."""
        groups = self._groups(lambda record: record.verdict not in (*_RIGHT, Verdict.NOT_APPLICABLE))
        groups.sort(key=lambda group: _severity(group[0][1]))
        numbers = {(*place, id(record)): number for number, group in enumerate(groups, 1) for place, record in group}
        return tuple(self._reason(group, number) for number, group in enumerate(groups, 1)), numbers

    def of(self, wanted: Callable[[Record], bool]) -> tuple[Reason, ...]:
        """Return the reasons of some records, without numbers."""
        return tuple(self._reason(group) for group in self._groups(wanted))

    def _groups(self, wanted: Callable[[Record], bool]) -> list[list[tuple[Place, Record]]]:
        """Return cells that say the same: of one implementation and check, numbers apart; of several, word by word."""
        alike: dict[tuple[Verdict, str, str, str], list[tuple[Place, Record]]] = {}
        for place in ((technique, check) for check in self.checks for technique in self.techniques):
            for record in filter(wanted, self.by_place.get(place, ())):
                said = _NUMBER.sub("#", _essence(record)) if record.verdict in _WRONG else _essence(record)
                own = (record.verdict, said, place[1], record.case.implementation)
                alike.setdefault(own, []).append((place, record))
        groups: dict[tuple[Verdict, str, tuple[str, ...]], list[tuple[Place, Record]]] = {}
        for found in alike.values():
            for place, record in found:
                only = self._only_in(place, [other for there, other in found if there == place])
                shared = (record.verdict, _essence(found[0][1]), only)
                groups.setdefault(shared, []).append((place, record))
        return list(groups.values())

    def _only_in(self, place: Place, found: list[Record]) -> tuple[str, ...]:
        seen, tried = ({record.case.dtype: None for record in some} for some in (found, self.by_place[place]))
        return tuple(seen) if len(seen) < len(tried) else ()

    def _reason(self, group: list[tuple[Place, Record]], number: int = 0) -> Reason:
        place, first = group[0]
        details = {record.detail for _, record in group if record.detail}
        whole = len({_essence(record) for _, record in group}) > 1 or len(details) == 1
        text = (first.detail if whole else _essence(first)) or _UNSAID
        only = self._only_in(place, [record for other, record in group if other == place])
        is_idle = first.verdict is Verdict.NOT_APPLICABLE
        return Reason(number, first.verdict, text, self._concerns([place for place, _ in group], is_idle=is_idle), only)

    def _concerns(self, places: Sequence[Place], *, is_idle: bool) -> tuple[tuple[tuple[str, ...], str], ...]:
        """Return the cells as checks with the techniques that all of these concern."""
        by_check: dict[str, str] = {}
        for check in dict.fromkeys(check for _, check in places):
            names = [name for name in self.techniques if (name, check) in places]
            asked = [name for name in self.techniques if is_idle or self._is_asked(name, check)]
            by_check[check] = in_few_words(names, asked)
        shared: dict[str, list[str]] = {}
        for check, said in by_check.items():
            shared.setdefault(said, []).append(check)
        return tuple((tuple(checks), said) for said, checks in shared.items())

    def _is_asked(self, technique: str, check: str) -> bool:
        found = self.by_place.get((technique, check), [])
        return any(record.verdict is not Verdict.NOT_APPLICABLE for record in found)


def in_few_words(names: list[str], asked: Sequence[str]) -> str:
    """Return techniques in as few words as tell them: `all`, `all in compiled mode`, `where, mine · eager`.

    asked: those that might be among them.
    """
    modes = list(dict.fromkeys(name.rpartition(" · ")[2] for name in names))
    if len(names) > 1 and len(names) == len(asked):
        return "all"
    whole = [name for name in asked if name.rpartition(" · ")[2] in modes]
    if len(names) > 1 and len(modes) == 1 and len(names) == len(whole):
        return f"all in {modes[0]} mode"
    return ", ".join(together(names, asked))


def _essence(record: Record) -> str:
    """Return what a detail has in common with that of another check or implementation.

    That is the exception, if there is one, without what was being done and without the name under which an
    implementation's file was loaded.
    """
    raised = _RAISED.fullmatch(record.detail)
    return _LOADED.sub("", raised["error"] if raised else record.detail)
