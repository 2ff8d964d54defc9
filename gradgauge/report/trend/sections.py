"""What the trend shows of one machine: what changed, times over runs, exact figures that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from gradgauge.report.blocks import (
    Block,
    Bullets,
    Callout,
    Cell,
    Column,
    Figure,
    Fold,
    Heading,
    LegendEntry,
    Panel,
    Paragraph,
    Table,
    Text,
)
from gradgauge.report.comparison.exact import rows_within
from gradgauge.report.figures.style import Look, looks
from gradgauge.report.figures.svg import swatch
from gradgauge.report.formatting import percent, plural, quantity, ratio, time
from gradgauge.report.ranking import MARGIN
from gradgauge.report.tables.cells import interval_text, ordered_passes, pass_title, value_text
from gradgauge.report.trend.change_points import FEWEST_RUNS, RISK, missing_reason
from gradgauge.report.trend.changes import Change, changes_of
from gradgauge.report.trend.histories import History, Point, histories, steps, times
from gradgauge.report.trend.machines import Machine, commit_of
from gradgauge.report.trend.reading import Stored
from gradgauge.report.trend.trend_plot import draw_all, draw_change

_MOST_SENTENCES = 12
_MOST_CHANGE_PANELS = 12
_MOST_PANELS = 12
LOOKING = (
    f"A change is a new level of the logarithm of the time. Levels are looked for where at least {FEWEST_RUNS} runs "
    "timed the same case: the partition that costs least, with BIC's penalty, each of its changes then held against "
    "Student's t, so that a machine's sequences that did not change show any change with a chance of "
    f"{percent(RISK)} at most. Changes by less than {percent(MARGIN - 1)} are not told: the same code differs by as "
    "much from one build to the next. Shown is each technique at the largest shape that most of the runs timed."
)


@dataclass(frozen=True)
class Seen:
    """A machine's runs and what is found in them."""

    machine: Machine

    @property
    def runs(self) -> tuple[Stored, ...]:
        """Return the runs, the earliest first."""
        return self.machine.runs

    @cached_property
    def times(self) -> list[History]:
        """Return the times."""
        return times(self.runs)

    @cached_property
    def long_enough(self) -> list[History]:
        """Return the times in which a change can be found."""
        return [history for history in self.times if len(history.points) >= FEWEST_RUNS]

    @cached_property
    def changes(self) -> list[Change]:
        """Return the changes of times, the largest first; none where nothing can look for them."""
        return [] if missing_reason() else changes_of(self.runs, self.long_enough)

    @cached_property
    def looks(self) -> dict[str, Look]:
        """Return one look for each implementation of any run."""
        records = tuple(record for stored in self.runs for record in stored.run.records)
        return looks(replace(self.runs[-1].run, records=records, series=()))


def change_blocks(seen: Seen) -> list[Block]:
    """Return the changes in words, what the machine itself is to blame for apart, and a drawing of each."""
    runs = plural(len(seen.runs), "run")
    reason = missing_reason()
    if reason:
        return [Callout("warn", "No change points were looked for", (f"{reason}.",))]
    if not seen.long_enough:
        most = max((len(history.points) for history in seen.times), default=0)
        said = f"{runs}, in which no case was timed more than {plural(most, 'time')}: a change needs {FEWEST_RUNS}."
        return [Paragraph((said,))]
    of_code = [change for change in seen.changes if not change.is_shared]
    shared = [change for change in seen.changes if change.is_shared]
    count = plural(len(of_code), "change") if of_code else "No change"
    blocks: list[Block] = [Paragraph((f"{count} in {plural(len(seen.long_enough), 'sequence')} of {runs}.",))]
    blocks += _sentences(of_code)
    blocks += _change_figure(seen, of_code[:_MOST_CHANGE_PANELS])
    if shared:
        title = f"{plural(len(shared), 'change')} that the control shares: the machine, not the code"
        blocks.append(Fold(title, tuple(_sentences(shared))))
    return blocks


def time_blocks(seen: Seen) -> list[Block]:
    """Return for each function the times of all techniques over runs, and a table of first and last."""
    blocks: list[Block] = []
    left = _MOST_PANELS
    for function in dict.fromkeys(history.place.function for history in seen.times):
        here = [history for history in seen.times if history.place.function == function]
        blocks.append(Heading(function, level=4))
        place = max(
            dict.fromkeys(history.place for history in here),
            key=lambda place: (place.is_usual, sum(len(found.points) for found in here if found.place == place)),
        )
        drawn = [history for history in here if history.place == place and len(history.points) > 1]
        passes = ordered_passes([history.pass_ for history in drawn])[:left]
        left -= len(passes)
        if passes:
            blocks.append(_figure(seen, place.heading, drawn, passes))
        blocks.append(Fold(f"All {plural(len(here), 'sequence')}, first and last", tuple(rows_within(_table(here)))))
    return blocks


def exact_blocks(seen: Seen) -> list[Block]:
    """Return every change of a figure that counts: these are exact, so that nothing needs to be detected."""
    found = histories(seen.runs, lambda record: record.suite != "speed")
    told = [(history, before, after) for history in found for before, after in steps(history)]
    if not told:
        return [Paragraph((f"None changed in {plural(len(found), 'sequence')}.",))]
    told.sort(key=lambda change: -change[2].run)
    columns = (
        Column("What"),
        Column("Metric"),
        Column("Before", numeric=True),
        Column("Since", numeric=True),
        Column("First seen in", note="the newest first"),
    )
    return rows_within(Table(columns, tuple(_exact_row(seen.runs, *change) for change in told)))


def _sentences(found: Sequence[Change]) -> list[Block]:
    def items(some: Sequence[Change]) -> tuple[Text, ...]:
        return tuple((change.sentence,) for change in some)

    first, more = found[:_MOST_SENTENCES], found[_MOST_SENTENCES:]
    blocks: list[Block] = [Bullets(items(first))] if first else []
    return [*blocks, *([Fold(plural(len(more), "smaller change"), (Bullets(items(more)),))] if more else [])]


def _change_figure(seen: Seen, found: Sequence[Change]) -> list[Block]:
    by_history = {id(change.history): change.history for change in found}
    panels = []
    for history in by_history.values():
        here = sorted((change for change in found if change.history is history), key=lambda change: change.position)
        look = seen.looks[history.points[0].record.case.implementation]
        alt = f"Time of {history.title} over {plural(len(history.points), 'run')}: " + "; ".join(
            f"{change.by} {change.since}" for change in here
        )
        drawing = draw_change(history, seen.runs, look, [change.position for change in here], alt)
        title = f"{history.place.function} · {history.technique}, {pass_title(history.pass_)}"
        panels.append(Panel(drawing, alt, title, ", ".join(change.by for change in here)))
    caption = (
        "Median time of each run, in the order of their start, on a logarithmic axis; thin lines span the 95 % "
        "interval, thick ones are levels, the dotted line stands where one ends."
    )
    return [Figure(tuple(panels), caption)] if panels else []


def _figure(seen: Seen, heading: str, drawn: Sequence[History], passes: Sequence[str]) -> Figure:
    panels = []
    for pass_ in passes:
        here = [history for history in drawn if history.pass_ == pass_]
        last = [f"{history.technique} {time(history.points[-1].value)}" for history in here]
        alt = f"Times over runs, {here[0].place.function}, {pass_title(pass_)}, {heading}. Last: {', '.join(last)}."
        title = f"{pass_title(pass_)}, {here[0].shape}"
        panels.append(Panel(draw_all(here, seen.runs, seen.looks, alt), alt, title))
    cases = [history.points[0].record.case for history in drawn]
    legend = tuple(
        LegendEntry(swatch(seen.looks[name], dashed=mode == "compiled"), f"{name} · {mode}")
        for name, mode in dict.fromkeys((case.implementation, case.mode) for case in cases)
    )
    return Figure(tuple(panels), f"Median time of each run, {heading}; less is faster.", legend)


def _table(here: Sequence[History]) -> Table:
    columns = (
        Column("Technique"),
        Column("Shape"),
        Column("Runs", numeric=True),
        Column("First", numeric=True),
        Column("Last", numeric=True),
        Column("Last/first", numeric=True),
    )
    rows = tuple(
        (
            Cell((history.technique,), note=" · ".join((pass_title(history.pass_), history.place.title))),
            Cell((history.shape,)),
            Cell((f"{len(history.points):,}",)),
            *(_time_cell(point) for point in (history.points[0], history.points[-1])),
            Cell((ratio(history.points[-1].value / history.points[0].value),)),
        )
        for history in here
    )
    return Table(columns, rows, heads=2)


def _time_cell(point: Point) -> Cell:
    return Cell((value_text(point.record),), note=interval_text(point.record))


def _exact_row(runs: Sequence[Stored], history: History, before: Point, after: Point) -> tuple[Cell, ...]:
    at = runs[after.run]
    unit = after.record.unit
    return (
        Cell(
            (f"{history.place.function} · {history.technique}",),
            note=" · ".join(filter(None, (history.pass_, history.place.title, history.shape))),
        ),
        Cell((history.metric,)),
        Cell((quantity(before.value, unit),)),
        Cell((quantity(after.value, unit),)),
        Cell((at.run_id,), note=commit_of(at)),
    )
