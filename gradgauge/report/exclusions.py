"""What rules a technique out: it is wrong, cannot run, is slower, or is of no use under some transform."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from gradgauge.records import Record, Verdict
from gradgauge.report.advice import unbroken
from gradgauge.report.agreement import Standing, Status, expected_reasons, standings
from gradgauge.report.behavior import Matrix, in_few_words, is_behavior, matrices
from gradgauge.report.blocks import Mark
from gradgauge.report.data import RunData
from gradgauge.report.faults import ATLAS, Fault, faults_of
from gradgauge.report.formatting import listed, plural, ratio, shortened
from gradgauge.report.kinds import names_kinds
from gradgauge.report.places import Place
from gradgauge.report.ranking import Ranking, Recommendation
from gradgauge.report.summary import cannot_run, cannot_run_text
from gradgauge.report.techniques import together

_MOST_FAULTS = 2
_MOST_CHECKS = 4
_MOST_SLOWER = 6
_LONGEST = 220
_PLAIN = ("value_max_ulp", "gradient_max_ulp", "value_nonfinite", "gradient_nonfinite")
_STANDING = {
    Status.FAILS: Mark("✗", "wrong", "bad"),
    Status.CRASHED: Mark("✗", "crashed", "bad"),
    Status.EXPECTED_FAIL: Mark("△", "known to disagree", "warn"),
}
_CANNOT = {
    Verdict.UNAVAILABLE: Mark("∅", "unavailable", "muted"),
    Verdict.UNSUPPORTED: Mark("∅", "unsupported", "muted"),
}
_SLOWER = Mark("▽", "slower", "plain")
_WRONG_UNDER = Mark("✗", "wrong under", "bad")
_KNOWN_UNDER = Mark("△", "known to be wrong under", "warn")
_UNSUPPORTED_UNDER = Mark("∅", "unsupported under", "muted")


@dataclass(frozen=True)
class Exclusion:
    """What stands against techniques of a function. where: a device and what belongs to it, blank for everywhere.

    reason: as measured; further: the implementation's own word, or what is behind the reason.
    """

    function: str
    techniques: str
    mark: Mark
    reason: str
    where: str = ""
    further: str = ""


def exclusions(run: RunData, found: list[Recommendation]) -> list[Exclusion]:
    """Return what rules techniques out, functions in their order, the gravest first.

    found: what is recommended at every place; whoever is slower is slower than that.
    """
    of_function: dict[str, list[Exclusion]] = {}
    standing = standings(run)
    for each in (*_wrong(run, standing), *_cannot(run), *_slower(found), *_in_some_uses(run, standing)):
        of_function.setdefault(each.function, []).append(each)
    order = [*run.function_names(), ""]
    return [each for name in sorted(of_function, key=order.index) for each in of_function[name]]


def _wrong(run: RunData, standing: dict[tuple[str, str], Standing]) -> Iterator[Exclusion]:
    grouped: dict[tuple[str, str, Status], list[Standing]] = {}
    for own in standing.values():
        if not own.may_be_recommended:
            grouped.setdefault((own.function, own.implementation, own.status), []).append(own)
    for (function, _, status), alike in grouped.items():
        every = [technique for name, technique in standing if name == function]
        names = together([own.technique for own in alike], every)
        records = [record for own in alike for record in own.against]
        reasons = " ".join(expected_reasons(run, records)) if status is Status.EXPECTED_FAIL else ""
        told = _faults_text(records)
        further = f"It says itself: {reasons}" if reasons else ""
        yield Exclusion(function, listed(names), _STANDING[status], told or reasons, "", further if told else "")


def _faults_text(records: list[Record]) -> str:
    """Return the commonest faults by name; nothing where a disagreement was expected and none is named.

    So it is in older runs, whose word for it is the implementation's own.
    """
    judged = [record for record in records if not is_behavior(record) and record.metric not in ATLAS] or records
    if all(record.verdict is Verdict.EXPECTED_FAIL for record in judged) and not names_kinds(judged):
        return ""
    told = list(dict.fromkeys(map(_named, faults_of(judged))))
    more = [plural(len(told) - _MOST_FAULTS, "more fault")] if len(told) > _MOST_FAULTS else []
    return shortened("; ".join([*told[:_MOST_FAULTS], *more]), _LONGEST)


def _named(fault: Fault) -> str:
    return (
        fault.what if fault.metric in _PLAIN or fault.what.startswith(fault.metric) else f"{fault.metric}: {fault.what}"
    )


def _cannot(run: RunData) -> Iterator[Exclusion]:
    grouped: dict[tuple[str, Verdict, str], list[str]] = {}
    for (function, technique, verdict, detail), records in cannot_run(run).items():
        text = cannot_run_text(verdict, detail, records).removeprefix(f"{verdict}").removeprefix(":").strip()
        grouped.setdefault((function, verdict, text), []).append(technique)
    every = dict.fromkeys((record.case.function, record.case.technique) for record in run.records)
    for (function, verdict, text), techniques in grouped.items():
        names = together(techniques, [technique for name, technique in every if name == function])
        yield Exclusion(function, listed(names), _CANNOT[verdict], shortened(text, _LONGEST))


def _slower(found: list[Recommendation]) -> Iterator[Exclusion]:
    """Yield for each place who leads nowhere, with how many times as long as the fastest it takes at its best."""
    by_place: dict[Place, list[Ranking]] = {}
    for advice in found:
        by_place.setdefault(advice.place.whatever_clock, []).extend(advice.rankings)
    functions = [place.function for place in by_place]
    for place, rankings in by_place.items():
        leaders = {name for ranking in rankings for name in ranking.names}
        slower: dict[str, float] = {}
        for ranking in rankings:
            for one in ranking.rest:
                factor = ranking.leaders[0].speedup / one.speedup
                if one.technique not in leaders and math.isfinite(factor):
                    slower[one.technique] = min(slower.get(one.technique, math.inf), factor)
        if slower:
            told = [
                unbroken(f"{name} {ratio(factor)}") for name, factor in sorted(slower.items(), key=lambda pair: pair[1])
            ]
            more = [f"{len(told) - _MOST_SLOWER} more"] if len(told) > _MOST_SLOWER else []
            reason = "takes that many times as long as the fastest, at its best"
            where = place.title if functions.count(place.function) > 1 else ""
            yield Exclusion(place.function, ", ".join([*told[:_MOST_SLOWER], *more]), _SLOWER, reason, where)


def _in_some_uses(run: RunData, standing: dict[tuple[str, str], Standing]) -> Iterator[Exclusion]:
    """Yield what is wrong or unsupported under a transform or a capture, of those that are right where timed."""
    for function in run.function_names():
        found = matrices(run, function)
        for matrix in found:
            right = [
                name
                for name in matrix.techniques
                if (function, name) not in standing or standing[function, name].may_be_recommended
            ]
            where = matrix.device if len(found) > 1 else ""
            for mark, verdicts in (
                (_WRONG_UNDER, (Verdict.FAIL, Verdict.CRASHED)),
                (_KNOWN_UNDER, (Verdict.EXPECTED_FAIL,)),
                (_UNSUPPORTED_UNDER, (Verdict.UNSUPPORTED,)),
            ):
                for checks, names in _alike(matrix, right, verdicts).items():
                    techniques = in_few_words(names, matrix.techniques)
                    further = "" if mark is _UNSUPPORTED_UNDER else _reasons(matrix, names, checks)
                    yield Exclusion(function, techniques, mark, _some(checks), where, further)


def _alike(matrix: Matrix, techniques: list[str], verdicts: tuple[Verdict, ...]) -> dict[tuple[str, ...], list[str]]:
    """Return the checks to which techniques have one of the verdicts, with all techniques that have the same ones."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name in techniques:
        checks = tuple(check for check in matrix.asked if matrix.spot(name, check).verdict in verdicts)
        if checks:
            found.setdefault(checks, []).append(name)
    return found


def _some(checks: tuple[str, ...]) -> str:
    more = [f"{len(checks) - _MOST_CHECKS} more"] if len(checks) > _MOST_CHECKS else []
    return listed([*checks[:_MOST_CHECKS], *more])


def _reasons(matrix: Matrix, techniques: list[str], checks: tuple[str, ...]) -> str:
    spots = [matrix.spot(name, check) for check in checks for name in techniques]
    found = [reason.text for spot in spots if (reason := matrix.reason_of(spot))]
    return shortened(" ".join(dict.fromkeys(found)), _LONGEST)
