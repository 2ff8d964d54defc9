"""How long: time against size, and every time with its interval and its speedup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradgauge.cases import PASSES
from gradgauge.records import Record, Verdict
from gradgauge.report import formatting
from gradgauge.report.agreement import Standing, Status, standings
from gradgauge.report.blocks import (
    Block,
    Bullets,
    Cell,
    Code,
    Column,
    Figure,
    Fold,
    Heading,
    LegendEntry,
    Panel,
    Paragraph,
    Table,
    Tone,
    mark,
)
from gradgauge.report.data import RunData, label_text
from gradgauge.report.figures.style import Look, looks
from gradgauge.report.figures.svg import swatch
from gradgauge.report.figures.time_plot import draw_points, draw_times
from gradgauge.report.ranking import Place, Ranking, places, rankings

if TYPE_CHECKING:
    from pandas import DataFrame

TITLE = "Time"
ORDER = 40
SHOWS = frozenset({("speed", "time"), ("speed", "speedup")})
_OPEN_ROWS = 12
_PASS_TITLES = {
    "inference": "inference",
    "forward": "forward, graph recorded",
    "forward_backward": "forward + backward",
}


def render(run: RunData) -> list[Block] | None:
    """Return one figure and one table for each place that was timed."""
    records = [record for record in run.records if (record.suite, record.metric) in SHOWS]
    if not records:
        return None
    ranked = {(found.place, found.pass_, found.shape): found for found in rankings(run)}
    blocks: list[Block] = []
    for place, is_drawn in places(records, run.function_names()).items():
        here = [record for record in records if Place.of(record) == place]
        first = place.function not in {heading.text for heading in blocks if isinstance(heading, Heading)}
        blocks += [Heading(place.function)] if first else []
        blocks.append(Heading(place.title or "no device recorded", level=4))
        blocks += _figure(run, place, looks(run)) if is_drawn else []
        blocks += _table(run, place, here, ranked)
        blocks += _remarks(here)
    return blocks


def _figure(run: RunData, place: Place, look: dict[str, Look]) -> list[Block]:
    frame = run.frame
    here = frame[
        (frame["suite"] == "speed")
        & (frame["metric"] == "time")
        & (frame["value"] > 0)
        & (frame["function"] == place.function)
        & (frame["device"] == place.device)
        & (frame["dtype"] == place.dtype)
        & (frame["layout"] == place.layout)
        & (frame["label_text"] == place.labels)
    ]
    if here.empty:
        return []
    low_s, high_s = float(here["value"].min()), float(here["value"].max())
    # An interval that reaches far beyond every median is cut off rather than allowed to press the picture flat.
    limits_s = (max(float(here["low"].fillna(low_s).min()), low_s / 10), float(here["high"].fillna(high_s).max()))
    limits_s = (min(limits_s[0], low_s), max(high_s, min(limits_s[1], high_s * 10)))
    panels = [
        _panel(here[here["pass"] == pass_], pass_, place, look, limits_s) for pass_ in _passes(list(here["pass"]))
    ]
    techniques = here[["implementation", "mode"]].drop_duplicates().itertuples(index=False)
    legend = tuple(
        LegendEntry(swatch(look[str(name)], dashed=mode == "compiled"), f"{name} · {mode}") for name, mode in techniques
    )
    has_lines = any(_sizes(here[here["pass"] == pass_]) > 1 for pass_ in here["pass"].unique())
    caption = "Median time on a logarithmic axis, bars spanning the 95 % interval; less is faster. Hollow: compiled."
    if has_lines:
        caption += " Techniques stand a little apart sideways, so that equal times do not hide each other."
    return [Figure(tuple(panels), caption, legend if has_lines else ())]


def _panel(here: DataFrame, pass_: str, place: Place, look: dict[str, Look], limits_s: tuple[float, float]) -> Panel:
    title = _PASS_TITLES.get(pass_, pass_)
    largest = here[here["elements"].fillna(-1) == here["elements"].fillna(-1).max()].sort_values("value")
    told = [f"{row['technique']} {formatting.time(row['value'])}" for row in largest.to_dict("records")]
    shape = str(largest["shape"].iloc[0])
    alt = f"Time of {place.function}, {title}, {place.title}. At {shape}, fastest first: {', '.join(told)}."
    if _sizes(here) > 1:
        return Panel(draw_times(here[here["elements"] > 0], look, limits_s, alt), alt, title)
    return Panel(draw_points(largest[largest["shape"] == shape], look, limits_s, alt), alt, f"{title}, {shape}")


def _sizes(here: DataFrame) -> int:
    return int(here.loc[here["elements"] > 0, "elements"].nunique())


def _table(
    run: RunData, place: Place, here: list[Record], ranked: dict[tuple[Place, str, str], Ranking]
) -> list[Block]:
    standing = standings(run)
    passes = _passes([record.case.pass_ for record in here])
    cells: dict[tuple[str, str], dict[str, dict[str, Record]]] = {}
    for record in here:
        case = record.case
        cells.setdefault((case.shape, case.technique), {}).setdefault(case.pass_, {})[record.metric] = record
    keys = sorted(cells, key=lambda key: -1 if (size := _elements(run, here, key[0])) is None else size)
    rows = tuple(
        (
            Cell((technique,), note=_standing_note(standing.get((place.function, technique)))),
            Cell((shape,)),
            *(_cell(cells[shape, technique].get(pass_, {}), ranked.get((place, pass_, shape))) for pass_ in passes),
        )
        for shape, technique in keys
    )
    titles = (Column(_PASS_TITLES.get(pass_, pass_), numeric=True) for pass_ in passes)
    columns = (Column("Technique"), Column("Shape"), *titles)
    caption = (
        "Median time with its 95 % interval; below, the speedup over reference · eager with its own. "
        "Among the techniques that agree: ★ fastest, by more than 5 % · ☆ not told apart from the fastest."
    )
    table = Table(columns, rows, caption, heads=2)
    return [table] if len(rows) <= _OPEN_ROWS else [Fold(f"All {len(rows)} rows of times and speedups", (table,))]


def _standing_note(standing: Standing | None) -> str:
    if standing is None or standing.status is Status.AGREES:
        return ""
    words = {Status.UNCHECKED: "agreement not checked", Status.CRASHED: "✗ crashed", Status.FAILS: "✗ fails"}
    return words.get(standing.status, "△ disagrees, as expected")


def _elements(run: RunData, here: list[Record], shape: str) -> int | None:
    return next((run.elements(record.case) for record in here if record.case.shape == shape), None)


def _cell(metrics: dict[str, Record], ranking: Ranking | None) -> Cell:
    time, speedup = metrics.get("time"), metrics.get("speedup")
    record = time or speedup
    if record is None:
        return Cell(("—",), tone="muted")
    if record.value is None:
        return Cell((mark(record.verdict),), tone="bad" if record.verdict.is_failure else "muted")
    leads = ranking is not None and record.case.technique in ranking.names
    alone = ranking is not None and leads and len(ranking.leaders) == 1 and bool(ranking.rest)
    star = "★ " if alone else "☆ " if leads and ranking and ranking.rest else ""
    notes = []
    if time:
        notes.append(formatting.interval(time.low, time.high, time.unit))
    if speedup and speedup.value is not None:
        span = formatting.interval(speedup.low, speedup.high, "ratio")
        notes.append(formatting.ratio(speedup.value) + (f" ({span[:-1]})" if span else ""))
    noisy = " ≈ noisy" if Verdict.NOISY in {item.verdict for item in metrics.values()} else ""
    shown = formatting.quantity(time.value, time.unit) if time else ""
    tone: Tone = "good" if alone else "plain"
    return Cell((f"{star}{shown}{noisy}",), note="\n".join(note for note in notes if note), tone=tone)


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
    return [Paragraph(("Said of these measurements:",), muted=True), Bullets(items)]


def _passes(found: list[str]) -> list[str]:
    known = [pass_ for pass_ in PASSES if pass_ in found]
    return known + sorted(set(found) - set(known))
