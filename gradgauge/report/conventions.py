"""Where several answers are right: which one each technique gives. A difference is none of quality."""

from __future__ import annotations

from gradgauge.records import Record, Verdict
from gradgauge.report.atlas import Atlas, point_of, shown
from gradgauge.report.data import RunData
from gradgauge.report.description import FunctionEntry
from gradgauge.report.formatting import listed, signed
from gradgauge.report.techniques import together

_SLACK = 2.0**-6
_OPEN_SIGN = "a convention:"
Answers = dict[str, list[str]]


def side_of(slope: float, place: str, span: tuple[float, float], entry: FunctionEntry | None) -> str:
    """Return which one-sided slope is taken at a kink: `from the left`, `from the right`, or `between` the two.

    Where the run does not say which side has which slope: `the lower`, `the higher`.
    """
    known = {kink.point: kink.slopes for kink in entry.kinks} if entry else {}
    sides = known.get(point_of(place))
    names = ("from the left", "from the right") if sides else ("the lower", "the higher")
    for name, one_sided in zip(names, sides or span, strict=True):
        if abs(slope - one_sided) <= _SLACK * max(map(abs, span)):
            return name
    return "between"


def kink_sentences(atlas: Atlas, entry: FunctionEntry | None) -> list[str]:
    """Return who takes which slope at each kink: `relu at +0: native takes 0 (from the left); where takes 1 …`."""
    places: dict[tuple[tuple[float, float], tuple[tuple[str, tuple[str, ...]], ...]], list[str]] = {}
    for place in atlas.places:
        span = atlas.kink_at(place)
        if span:
            answers = _answers(atlas, place, span, entry)
            key = (span, tuple((answer, tuple(names)) for answer, names in answers.items()))
            places.setdefault(key, []).append(place)
    return [
        _sentence(atlas, names, span, {answer: list(techniques) for answer, techniques in answers})
        for (span, answers), names in places.items()
    ]


def zero_sign_sentences(run: RunData, function: str) -> list[str]:
    """Return who differs from the oracle in the sign of a zero value where that is left open."""
    grouped: dict[str, list[str]] = {}
    every: dict[str, None] = {}
    for record in run.records_of(function):
        if record.metric == "value_zero_sign":
            every.setdefault(record.case.technique)
            if leaves_sign_open(record):
                names = grouped.setdefault(record.labels.get("kind", ""), [])
                names += [] if record.case.technique in names else [record.case.technique]
    return [
        f"The sign of a zero value is a convention: {listed(together(names, list(every)))} "
        f"{'differs' if len(names) == 1 else 'differ'} in it from the oracle{f' ({kind})' if kind else ''}."
        for kind, names in grouped.items()
    ]


def leaves_sign_open(record: Record) -> bool:
    """Whether a record says that a zero of the other sign is a convention, and no fault."""
    return record.verdict is Verdict.MEASURED and record.detail.startswith(_OPEN_SIGN)


def _answers(atlas: Atlas, place: str, span: tuple[float, float], entry: FunctionEntry | None) -> Answers:
    found: Answers = {}
    for column in atlas.columns:
        slope = atlas.spot(column, place).slope
        if slope is not None and slope.value is not None and slope.verdict is Verdict.PASS:
            side = side_of(float(slope.value), place, span, entry)
            found.setdefault(f"{shown(slope)} ({side})", []).extend(column)
    return found


def _sentence(atlas: Atlas, places: list[str], span: tuple[float, float], answers: Answers) -> str:
    every = [name for column in atlas.columns for name in column]
    low, high = (signed(slope).lstrip("+") for slope in span)
    right = f"any slope from {low} to {high} is right"
    where = f"{atlas.function} at {listed(places)}"
    if len(answers) == 1 and set(next(iter(answers.values()))) == set(every):
        return f"{where}: {right}, and all take {next(iter(answers))}."
    said = []
    for answer, techniques in answers.items():
        names = together(techniques, every)
        said.append(f"{listed(names)} {'takes' if len(names) == 1 else 'take'} {answer}")
    wrong = "" if sum(map(len, answers.values())) == len(every) else "; the others are wrong"
    return f"{where}: {'; '.join(said) or 'nobody takes a right one'}{wrong}; {right}."
