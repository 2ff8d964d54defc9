"""Every time of a place with its interval and its speedup, the fastest marked."""

from __future__ import annotations

from gradgauge.records import Record
from gradgauge.report import formatting
from gradgauge.report.agreement import Standing, Status, standings
from gradgauge.report.blocks import Cell, Column, Table, Tone
from gradgauge.report.data import RunData
from gradgauge.report.harness import Harness
from gradgauge.report.places import Place
from gradgauge.report.ranking import Ranking
from gradgauge.report.tables.cells import (
    EMPTY,
    about,
    interval_text,
    ordered_passes,
    pass_title,
    value_text,
    valueless_cell,
)

Ranked = dict[tuple[Place, str, str], Ranking]
# (shape, technique) → pass → metric → record, smallest shapes first.
Grid = dict[tuple[str, str], dict[str, dict[str, Record]]]


def grid_of(run: RunData, records: list[Record]) -> Grid:
    """Return the records of one place by row, column and metric."""
    cells: Grid = {}
    elements: dict[str, float] = {}
    for record in records:
        case = record.case
        cells.setdefault((case.shape, case.technique), {}).setdefault(case.pass_, {})[record.metric] = record
        size = run.elements(case)
        elements.setdefault(case.shape, -1 if size is None else size)
    return {key: cells[key] for key in sorted(cells, key=lambda key: elements[key[0]])}


def time_table(run: RunData, place: Place, here: list[Record], ranked: Ranked) -> Table:
    """Return the table of times and speedups of one place."""
    standing = standings(run, place.labels)
    passes = ordered_passes([record.case.pass_ for record in here])
    grid = grid_of(run, here)
    harness = _harness_notes(run, place, grid)
    rows = tuple(
        (
            Cell((technique,), note=_standing_note(standing.get((place.function, technique)))),
            Cell((shape,), note=harness.get((shape, technique), "")),
            *(_cell(found.get(pass_, {}), ranked.get((place, pass_, shape))) for pass_ in passes),
        )
        for (shape, technique), found in grid.items()
    )
    columns = (
        Column("Technique"),
        Column("Shape"),
        *(Column(pass_title(pass_), numeric=True) for pass_ in passes),
    )
    caption = (
        "Median time with its 95 % interval; below, the speedup over reference · eager with its own. "
        "Among the techniques that agree: ★ fastest, by more than 5 % · ☆ not told apart from the fastest."
    )
    caption += " ≈ noisy: the interval is wider than asked." if any(map(about, here)) else ""
    caption += " Harness: the largest part of a row's times that a call takes which does nothing." if harness else ""
    return Table(columns, rows, caption, heads=2)


def _harness_notes(run: RunData, place: Place, grid: Grid) -> dict[tuple[str, str], str]:
    """Return what is said of the harness in the rows of the smallest shape, where its part is largest."""
    harness = Harness.of(run)
    smallest = next((shape for shape, _ in grid), None)
    notes = {}
    for key, passes in grid.items():
        times = [record for metrics in passes.values() for record in metrics.values()]
        share = harness.share(place, times) if key[0] == smallest else None
        if share is not None:
            notes[key] = f"harness: {formatting.percent(share)}"
    return notes


def _standing_note(standing: Standing | None) -> str:
    if standing is None or standing.status is Status.AGREES:
        return ""
    words = {Status.UNCHECKED: "agreement not checked", Status.CRASHED: "✗ crashed", Status.FAILS: "✗ fails"}
    return words.get(standing.status, "△ disagrees, as expected")


def _cell(metrics: dict[str, Record], ranking: Ranking | None) -> Cell:
    time, speedup = metrics.get("time"), metrics.get("speedup")
    record = time or speedup
    if record is None:
        return EMPTY
    if record.value is None:
        return valueless_cell(record)
    leads = ranking is not None and record.case.technique in ranking.names
    alone = ranking is not None and leads and len(ranking.leaders) == 1 and bool(ranking.rest)
    star = "★ " if alone else "☆ " if leads and ranking and ranking.rest else ""
    notes = [interval_text(time)] if time else []
    if speedup and speedup.value is not None:
        span = interval_text(speedup)
        notes.append(value_text(speedup) + (f" ({span[:-1]})" if span else ""))
    tone: Tone = "good" if alone else "plain"
    return Cell((star + (value_text(time) if time else ""),), note="\n".join(filter(None, notes)), tone=tone)
