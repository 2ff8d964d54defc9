"""How long: time against size, and every time with its interval and its speedup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradgauge.records import Record, Verdict
from gradgauge.report import formatting
from gradgauge.report.blocks import (
    Block,
    Bullets,
    Code,
    Figure,
    Fold,
    Heading,
    LegendEntry,
    Panel,
    Paragraph,
    Table,
)
from gradgauge.report.data import RunData, label_text
from gradgauge.report.figures.speed_panels import speed_maps, speedup_figure
from gradgauge.report.figures.style import Look, looks
from gradgauge.report.figures.svg import swatch
from gradgauge.report.figures.time_plot import draw_points, draw_times
from gradgauge.report.labels import words
from gradgauge.report.places import Place, places
from gradgauge.report.questions import Question
from gradgauge.report.ranking import rankings
from gradgauge.report.tables.bandwidth import METRICS, bandwidth_fold
from gradgauge.report.tables.cells import ordered_passes, pass_title
from gradgauge.report.tables.protocols import protocol_tables
from gradgauge.report.tables.times import time_table

if TYPE_CHECKING:
    from pandas import DataFrame

TITLE = "Time"
QUESTION = Question.SPEED
ORDER = 40
_TIMED = ("time", "speedup")
SHOWS = frozenset(("speed", metric) for metric in (*_TIMED, *METRICS))
_OPEN_ROWS = 12
_OPEN_REMARKS = 8


def render(run: RunData) -> list[Block] | None:
    """Return one figure and one table for each place that was timed."""
    records = [record for record in run.records if (record.suite, record.metric) in SHOWS]
    timed = [record for record in records if record.metric != "moved_bytes"]
    if not timed:
        return None
    ordered = rankings(run)
    ranked = {(found.place, found.pass_, found.shape): found for found in ordered}
    moved = [record for record in records if record.metric == "moved_bytes"]
    by_place: dict[Place, list[Record]] = {}
    for record in timed:
        by_place.setdefault(Place.of(record), []).append(record)
    blocks: list[Block] = [*_precision(run)]
    found = places(timed, run.function_names())
    for function in dict.fromkeys(place.function for place in found):
        blocks.append(Heading(function))
        drawn = {place: by_place[place] for place, is_drawn in found.items() if is_drawn and place.function == function}
        blocks += speed_maps(run, drawn)
        others: list[Block] = []
        for place, is_drawn in ((place, drawn) for place, drawn in found.items() if place.function == function):
            here = by_place[place]
            shown = [record for record in here if record.metric in _TIMED]
            tables: list[Block] = [time_table(run, place, shown, ranked)] if shown else []
            further = [*bandwidth_fold(run, here, moved), *_remarks(here)]
            heading = place.heading or "no device recorded"
            if is_drawn or place.is_usual:
                figure = [*speedup_figure(run, place, here), *_figure(run, place, looks(run))] if is_drawn else []
                blocks += [Heading(heading, level=4), *figure, *_folded_where_long(tables), *further]
            else:
                others.append(Fold(heading, (*tables, *further)))
        blocks += [Heading("Timed in other ways", level=4), *others] if others else []
        blocks += protocol_tables(ordered, function)
    return blocks


def _folded_where_long(tables: list[Block]) -> list[Block]:
    return [
        Fold(f"All {len(table.rows)} rows of times and speedups", (table,))
        if isinstance(table, Table) and len(table.rows) > _OPEN_ROWS
        else table
        for table in tables
    ]


def _precision(run: RunData) -> list[Block]:
    """Return how many times are noisy, in a sentence; nothing where there was no precision to miss."""
    times = [record for record in run.measured("speed", "time") if record.value is not None]
    missed = sum(record.verdict is Verdict.NOISY for record in times)
    asked = run.description.timing.precision
    if not times or (asked is None and not missed):
        return []
    wanted = "the precision asked for" if asked is None else f"±{formatting.percent(asked)}"
    if not missed:
        return [Paragraph((f"All {formatting.plural(len(times), 'time')} met {wanted}.",))]
    count = f"{missed:,} of {formatting.plural(len(times), 'time')} missed {wanted}{_by_clock(times)}"
    return [Paragraph((f"{count}: they are marked ≈, and their intervals say how far they may be off.",))]


def _by_clock(times: list[Record]) -> str:
    """Return how many were noisy by each clock of an accelerator; nothing where there is but one."""
    grouped: dict[str, list[Record]] = {}
    for record in times:
        grouped.setdefault(Place.of(record).basis, []).append(record)
    told = [
        f"{sum(record.verdict is Verdict.NOISY for record in found):,} of {len(found):,} {basis or 'on the CPU'}"
        for basis, found in grouped.items()
    ]
    return f" ({', '.join(told)})" if len(told) > 1 else ""


def _figure(run: RunData, place: Place, look: dict[str, Look]) -> list[Block]:
    frame = run.frame_of(place.function)
    here = frame[
        (frame["suite"] == "speed")
        & (frame["metric"] == "time")
        & (frame["value"] > 0)
        & (frame["device"] == place.device)
        & (frame["dtype"] == place.dtype)
        & (frame["layout"] == place.layout)
        & (frame["label_text"] == words(place.labels))
    ]
    if here.empty:
        return []
    here = here.assign(speedup=_speedups(frame, here))
    low_s, high_s = float(here["value"].min()), float(here["value"].max())
    # An interval that reaches far beyond every median is cut off rather than allowed to press the picture flat.
    limits_s = (max(float(here["low"].fillna(low_s).min()), low_s / 10), float(here["high"].fillna(high_s).max()))
    limits_s = (min(limits_s[0], low_s), max(high_s, min(limits_s[1], high_s * 10)))
    panels = [
        _panel(here[here["pass"] == pass_], pass_, place, look, limits_s)
        for pass_ in ordered_passes(list(here["pass"]))
    ]
    techniques = here[["implementation", "mode"]].drop_duplicates().itertuples(index=False)
    legend = tuple(
        LegendEntry(swatch(look[str(name)], dashed=mode == "compiled"), f"{name} · {mode}") for name, mode in techniques
    )
    has_lines = any(_sizes(here[here["pass"] == pass_]) > 1 for pass_ in here["pass"].unique())
    caption = "Median time on a logarithmic axis, bars spanning the 95 % interval; less is faster. Hollow: compiled."
    if (here["verdict"] == Verdict.NOISY).any():
        caption += " Pale, with ≈: noisy, the interval is wider than asked."
    if has_lines:
        caption += " Techniques stand a little apart sideways, so that equal times do not hide each other."
    return [Figure(tuple(panels), caption, legend if has_lines else ())]


def _speedups(frame: DataFrame, here: DataFrame) -> list[str]:
    """Return the speedup that belongs to each time, `2.57×`; nothing where there is none."""
    keys = ["technique", "pass", "device", "dtype", "shape", "layout", "label_text"]
    every = frame[(frame["suite"] == "speed") & (frame["metric"] == "speedup") & frame["value"].notna()]
    known = dict(zip(every[keys].itertuples(index=False, name=None), every["value"], strict=True))
    found = [known.get(key) for key in here[keys].itertuples(index=False, name=None)]
    return ["" if value is None else formatting.ratio(value) for value in found]


def _panel(here: DataFrame, pass_: str, place: Place, look: dict[str, Look], limits_s: tuple[float, float]) -> Panel:
    title = pass_title(pass_)
    largest = here[here["elements"].fillna(-1) == here["elements"].fillna(-1).max()].sort_values("value")
    told = [f"{row['technique']} {formatting.time(row['value'])}" for row in largest.to_dict("records")]
    shape = str(largest["shape"].iloc[0])
    alt = f"Time of {place.function}, {title}, {place.heading}. At {shape}, fastest first: {', '.join(told)}."
    if _sizes(here) > 1:
        return Panel(draw_times(here[here["elements"] > 0], look, limits_s, alt), alt, title)
    return Panel(draw_points(largest[largest["shape"] == shape], look, limits_s, alt), alt, f"{title}, {shape}")


def _sizes(here: DataFrame) -> int:
    return int(here.loc[here["elements"] > 0, "elements"].nunique())


def _remarks(here: list[Record]) -> list[Block]:
    grouped: dict[tuple[str, str], list[str]] = {}
    for record in here:
        if record.detail:
            where = " · ".join(part for part in (record.case.pass_, record.case.shape, label_text(record)) if part)
            grouped.setdefault((record.case.technique, record.detail), []).append(where)
    if not grouped:
        return []
    items = tuple(
        (Code(technique), f" — {detail}", f" ({found[0]})" if len(set(found)) == 1 else "")
        for (technique, detail), found in grouped.items()
    )
    if len(items) > _OPEN_REMARKS:
        return [Fold(f"{formatting.plural(len(items), 'remark')} on these measurements", (Bullets(items),))]
    return [Paragraph(("Said of these measurements:",), muted=True), Bullets(items)]
