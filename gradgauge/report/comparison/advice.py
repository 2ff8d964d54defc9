"""What each run recommends, side by side, and where they recommend something else."""

from __future__ import annotations

from collections.abc import Sequence

from gradgauge.report.advice import Answer, answers, finding, shortlist
from gradgauge.report.blocks import Block, Cell, Column, Paragraph, Strong, Table
from gradgauge.report.comparison.sides import Side
from gradgauge.report.data import RunData
from gradgauge.report.places import Place
from gradgauge.report.ranking import recommendations
from gradgauge.report.scopes import plain
from gradgauge.report.tables.cells import EMPTY

_READING = (
    "Each run's own answer, from its own speedups and its own checks. Another answer: at a shape that both runs timed, "
    "no technique is recommended by both."
)

_Key = tuple[Place, str]


def advice_blocks(sides: Sequence[Side]) -> list[Block]:
    """Return a row for each function, purpose and place, a column for each run."""
    told = [{(each.place, each.purpose): each for each in answers(recommendations(side.run))} for side in sides]
    order = [name for side in sides for name in side.run.function_names()]
    keys = sorted(dict.fromkeys(key for one in told for key in one), key=lambda key: order.index(key[0].function))
    if not keys:
        return [Paragraph(("No run recommends anything: none timed a function and found it right.",))]
    changed = {key for one in told[1:] for key in _changed(told[0], one)}
    rows = tuple(
        (
            Cell((Strong(place.function),), note=place.finding_title),
            Cell((purpose,), note="another answer" if (place, purpose) in changed else ""),
            *(_cell(one.get((place, purpose))) for one in told),
        )
        for place, purpose in keys
    )
    columns = (Column("Function"), Column("For"), *(Column(side.name) for side in sides))
    return [Table(columns, rows, heads=2), Paragraph((_READING,), muted=True)]


def other_answers(base: RunData, other: RunData) -> list[str] | None:
    """Return where the runs recommend something else, as `relu, training (cpu · float32)`.

    None where they recommend nothing for the same purpose at the same place.
    """
    then, now = ({(each.place, each.purpose): each for each in answers(recommendations(run))} for run in (base, other))
    if not then.keys() & now.keys():
        return None
    return [f"{place.function}, {purpose} ({place.finding_title})" for place, purpose in _changed(then, now)]


def _changed(then: dict[_Key, Answer], now: dict[_Key, Answer]) -> list[_Key]:
    return [key for key in then if key in now and _disagree(then[key], now[key])]


def _disagree(then: Answer, now: Answer) -> bool:
    olds, news = _names_by_shape(then), _names_by_shape(now)
    return any(olds[shape] and news[shape] and not olds[shape] & news[shape] for shape in olds if shape in news)


def _names_by_shape(answer: Answer) -> dict[str, set[str]]:
    return {ranking.shape: set(ranking.names) for advice in answer.advice for ranking in advice.rankings}


def _cell(answer: Answer | None) -> Cell:
    if answer is None:
        return EMPTY
    said = [
        f"{where}: {plain(finding(advice, shortlist(list(advice.names))))}"
        f"{f', {advice.speedups}' if advice.speedups else ''}"
        for where, advice in answer.parts()
    ]
    return Cell((said[0],), note="\n".join(said[1:]))
