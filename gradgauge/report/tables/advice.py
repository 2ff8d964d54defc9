"""What to use, range by range of sizes, with what it gains and what it costs; and what rules the others out."""

from __future__ import annotations

from collections.abc import Sequence

from gradgauge.report.advice import by_both_clocks, finding, shortlist, sizes, unbroken
from gradgauge.report.blocks import Cell, Column, Strong, Table, Text
from gradgauge.report.crossovers import Crossover, Start, crossovers
from gradgauge.report.exclusions import Exclusion
from gradgauge.report.footprints import Footprints, in_words
from gradgauge.report.formatting import listed
from gradgauge.report.ranking import Recommendation
from gradgauge.report.tables.cells import ABOUT, EMPTY

_MOST_NAMES = 4
_CLOCKS = {"device": "By device time", "wall": "As a Python caller waits"}
_SUBJECT = (Column("Function"), Column("For"), Column("Elements", note="at these shapes"))
_SPEED = Column("Against the reference", numeric=True, note="times as fast, 95 % interval")
_MEMORY = Column("Memory", note="for each element of the output")


def advice_table(found: list[Recommendation], memory: Footprints) -> Table:
    """Return a row for each range of sizes that has one answer; for what either clock says of it, where there are two.

    A column of crossovers where there are any.
    """
    crossed = crossovers(found)
    if any(advice.place.basis for advice in found):
        return _by_clock(found, memory, crossed)
    has_crossovers = bool(crossed)
    columns = (*_SUBJECT, Column("Use"), *((_CROSSOVER,) if has_crossovers else ()), _SPEED, _MEMORY)
    rows = tuple(
        (
            *_subject(advice),
            _use(advice, (_caveat(advice),)),
            *((_crossover(crossed.get(_start(advice))),) if has_crossovers else ()),
            Cell((advice.speedups or "—",), note=advice.interval),
            Cell((in_words(memory.of_advice(advice)) or "—",)),
        )
        for advice in found
    )
    return Table(columns, rows)


def exclusions_table(found: Sequence[Exclusion]) -> Table:
    """Return a row for each reason that rules techniques out, or what is right where it is timed out of some uses."""
    columns = (Column("Function"), Column("Technique"), Column("Because it is"), Column("What, or how much"))
    caption = ""
    if any(each.mark.text.endswith("under") for each in found):
        caption = (
            "What is wrong or unsupported under a transform alone may be recommended; “Where each can be used” has why."
        )
    return Table(columns, tuple(_excluded(each) for each in found), caption)


_CROSSOVER = Column("Takes over at", note="elements, 95 % interval")


def _by_clock(found: list[Recommendation], memory: Footprints, crossed: dict[Start, Crossover]) -> Table:
    rows = []
    for together in by_both_clocks(found):
        by_clock = {advice.place.measured_clock: advice for advice in together}
        cells = (_told(by_clock[clock], memory, crossed) if clock in by_clock else EMPTY for clock in _CLOCKS)
        rows.append((*_subject(together[0]), *cells))
    columns = (*_SUBJECT, *(Column(title, note="× the speed of reference · eager") for title in _CLOCKS.values()))
    return Table(columns, tuple(rows))


def _told(advice: Recommendation, memory: Footprints, crossed: dict[Start, Crossover]) -> Cell:
    crossing = crossed.get(_start(advice))
    speed = f"{advice.speedups} ({advice.interval[:-1]})" if advice.interval else advice.speedups
    return _use(
        advice,
        (
            f"takes over at {crossing.text}" if crossing else "",
            speed,
            in_words(memory.of_advice(advice)),
            _caveat(advice),
        ),
    )


def _use(advice: Recommendation, notes: Sequence[str]) -> Cell:
    names = [unbroken(f"{ABOUT if name in advice.noisy else ''}{name}") for name in advice.names]
    is_tied = len(names) > 1
    note = "\n".join(filter(None, ("no difference seen" if is_tied else "", *notes)))
    text: Text = (listed(shortlist(names, _MOST_NAMES), "or"),) if is_tied else finding(advice, names)
    return Cell(text, note=note, tone="good" if advice.is_claim else "plain")


def _subject(advice: Recommendation) -> tuple[Cell, ...]:
    where = advice.place.whatever_clock.title
    shapes = advice.shapes if sizes(advice) != advice.shapes else ""
    return (
        Cell((Strong(advice.place.function),), note=where),
        Cell((advice.purpose,)),
        Cell((sizes(advice).removesuffix(" elements"),), note=shapes),
    )


def _start(advice: Recommendation) -> Start:
    return advice.place, advice.purpose, advice.rankings[0].shape


def _crossover(crossing: Crossover | None) -> Cell:
    return Cell((crossing.text.replace(" elements", ""),), note=f"from {crossing.before}") if crossing else EMPTY


def _caveat(advice: Recommendation) -> str:
    return f"agreement not checked: {listed(list(advice.unchecked))}" if advice.unchecked else ""


def _excluded(each: Exclusion) -> tuple[Cell, ...]:
    return (
        Cell((Strong(each.function),), note=each.where),
        Cell((each.techniques,)),
        Cell((each.mark,)),
        Cell((each.reason,), note=each.further),
    )
