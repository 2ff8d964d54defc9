"""Faster or slower: every case that two runs timed, as a ratio with its interval, beside the control's."""

from __future__ import annotations

from collections.abc import Sequence

from gradgauge.report.blocks import (
    Block,
    Bullets,
    Cell,
    Column,
    Figure,
    Fold,
    Heading,
    LegendEntry,
    Panel,
    Paragraph,
    Table,
    Tone,
)
from gradgauge.report.comparison.exact import rows_within
from gradgauge.report.comparison.forest_plot import draw_ratios, span_of
from gradgauge.report.comparison.ratios import (
    Change,
    ControlRatio,
    Pair,
    Ratio,
    control_ratios,
    other_units,
    pairs,
    size_of,
)
from gradgauge.report.comparison.sides import Side, merged_looks
from gradgauge.report.figures.style import Look
from gradgauge.report.figures.svg import swatch
from gradgauge.report.formatting import interval, listed, percent, plural, ratio
from gradgauge.report.places import Place, places
from gradgauge.report.ranking import MARGIN
from gradgauge.report.tables.cells import interval_text, ordered_passes, pass_title, value_text

_READING = (
    "Below 1 a time is shorter, above 1 a speedup is larger. The interval of a ratio is made of both runs' 95 % "
    "intervals, root-sum-square on a log scale. They speak of one process each, and two processes of the same code "
    f"differ by more than their intervals say: faster or slower is said only where the interval lies "
    f"{percent(MARGIN - 1)} or more beyond 1, else no difference was seen. Without an interval nobody can tell. "
    "The ratio of speedups holds on another machine, too: each was taken in turns with the reference of its own run."
)
_TONES: dict[Change, Tone] = {Change.FASTER: "good", Change.SLOWER: "bad"}


def times_blocks(sides: Sequence[Side]) -> list[Block]:
    """Return for each run against the base: the control, a figure and a table for each function."""
    base, *others = sides
    look = merged_looks(sides)
    blocks: list[Block] = [Paragraph((_READING,), muted=True)]
    for other in others:
        if len(others) > 1:
            blocks.append(Heading(f"{other.title} against {base.title}", level=3))
        blocks += _against(base, other, look)
    return blocks


def control_in_words(controls: Sequence[ControlRatio], other: Side) -> str:
    """Return how long the control took in the other run, device by device; that there was none where it is so."""
    if not controls:
        return "The two runs share no control, so that nobody can tell a slower machine from slower code."
    told = [f"{ratio(found.value)} as long ({found.device})" for found in controls]
    return f"The control, which is nobody's code, took {listed(told)} in {other.name}."


def _against(base: Side, other: Side, look: dict[str, Look]) -> list[Block]:
    found = pairs(base.run, other.run)
    controls = control_ratios(base.run, other.run)
    units = other_units(base.run, other.run)
    blocks: list[Block] = [Paragraph((control_in_words(controls, other),))]
    if units:
        blocks.append(Bullets(((f"Not compared, as the units differ: {listed(units)}.",),)))
    if not found:
        return [*blocks, Paragraph((f"{base.name} and {other.name} have no timed case in common.",))]
    for function in dict.fromkeys(pair.case.function for pair in found):
        here = sorted((pair for pair in found if pair.case.function == function), key=size_of)
        blocks.append(Heading(function, level=4))
        drawn = [place for place, is_drawn in places([pair.base for pair in here], [function]).items() if is_drawn]
        blocks += [
            _figure([pair for pair in here if pair.place == place], place, look, controls) for place in drawn[:1]
        ]
        blocks += _tables(base, other, here)
    return blocks


def _figure(here: list[Pair], place: Place, look: dict[str, Look], controls: Sequence[ControlRatio]) -> Figure:
    control = next((found.value for found in controls if found.device == place.device), None)
    panels = []
    by_pass = {}
    for pass_ in ordered_passes([pair.case.pass_ for pair in here]):
        shape = max((pair for pair in here if pair.case.pass_ == pass_), key=lambda pair: pair.elements).case.shape
        by_pass[pass_, shape] = [pair for pair in here if (pair.case.pass_, pair.case.shape) == (pass_, shape)]
    span = span_of([pair for shown in by_pass.values() for pair in shown], control)
    for (pass_, shape), shown in by_pass.items():
        told = ", ".join(
            f"{pair.case.technique} {ratio(pair.time.value)} ({pair.time_change.value})"
            for pair in sorted(shown, key=lambda pair: pair.time.value)
        )
        alt = f"Time over the base's, {place.function}, {pass_title(pass_)}, {place.heading}, at {shape}: {told}."
        panels.append(Panel(draw_ratios(shown, look, span, control, alt), alt, f"{pass_title(pass_)}, {shape}"))
    techniques = dict.fromkeys((pair.case.implementation, pair.case.mode) for pair in here)
    legend = tuple(
        LegendEntry(swatch(look[name], dashed=mode == "compiled"), f"{name} · {mode}") for name, mode in techniques
    )
    caption = (
        f"Time over the base's at the largest shape that both timed, {place.heading}; left of 1 is faster. Lines span "
        f"the 95 % interval; within the grey band, {percent(MARGIN - 1)} either way, nothing is said."
    )
    caption += " Dotted: the control." if control is not None else ""
    return Figure(tuple(panels), caption, legend)


def _tables(base: Side, other: Side, here: list[Pair]) -> list[Block]:
    clear = [pair for pair in here if not size_of(pair)[0]]
    rest = [pair for pair in here if size_of(pair)[0]]
    blocks: list[Block] = []
    if clear:
        blocks += rows_within(_table(base, other, clear))
    else:
        blocks.append(Paragraph((f"No difference seen in {plural(len(here), 'case')}, or nobody can tell.",)))
    if rest:
        title = f"{plural(len(rest), 'case')} where no difference was seen, or nobody can tell"
        blocks.append(Fold(title, tuple(rows_within(_table(base, other, rest)))))
    return blocks


def _table(base: Side, other: Side, found: list[Pair]) -> Table:
    columns = (
        Column("Technique"),
        Column("Shape"),
        Column(base.name, numeric=True, note="time"),
        Column(other.name, numeric=True, note="time"),
        Column(f"Time, {other.name}/{base.name}", numeric=True, note="below 1: faster"),
        Column(f"Speedup, {other.name}/{base.name}", numeric=True, note="above 1: faster"),
    )
    rows = tuple(
        (
            Cell((pair.case.technique,), note=" · ".join((pass_title(pair.case.pass_), pair.place.title))),
            Cell((pair.case.shape,)),
            *(Cell((value_text(record),), note=interval_text(record)) for record in (pair.base, pair.other)),
            _cell(pair.time, pair.time_change),
            _cell(pair.speedup, pair.speedup_change) if pair.speedup else Cell(("—",), tone="muted"),
        )
        for pair in found
    )
    return Table(columns, rows, heads=2)


def _cell(found: Ratio, change: Change) -> Cell:
    note = "\n".join(filter(None, (interval(found.low, found.high, "ratio"), change.value)))
    return Cell((ratio(found.value),), note=note, tone=_TONES.get(change, "plain"))
