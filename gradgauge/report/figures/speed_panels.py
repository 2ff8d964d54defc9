"""How many times as fast, at a glance: heat maps of speedups and of shares of a copy's speed, and speedups in rows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gradgauge.cases import REFERENCE
from gradgauge.records import AVAILABILITY, Record, Verdict
from gradgauge.report import formatting
from gradgauge.report.agreement import Status, standings
from gradgauge.report.blocks import Figure, Panel
from gradgauge.report.data import RunData
from gradgauge.report.figures.heat_map import (
    NARROW_PX,
    HeatCell,
    HeatGroup,
    HeatRow,
    draw_heat,
    ramp_legend,
)
from gradgauge.report.figures.speedup_plot import SpeedupPoint, SpeedupRow, draw_speedups
from gradgauge.report.figures.style import looks
from gradgauge.report.places import Place
from gradgauge.report.ranking import PURPOSES
from gradgauge.report.tables.cells import about, interval_text, ordered_passes, pass_title

SPEEDUP, ROOF = "speedup", "roof_fraction"
_NATIVE = f"{REFERENCE} · eager"
_SIGNS = {Status.FAILS: "✗", Status.CRASHED: "✗", Status.EXPECTED_FAIL: "△"}
_FACTORS = (1 / 4, 1 / 1.5, 0.95, 1.05, 1.5, 4.0)
_FACTOR_WORDS = {
    0: "a quarter of the speed or less",
    1: "up to ⅔",
    2: "up to 0.95×",
    3: "within 5 %",
    4: "from 1.05×",
    5: "from 1.5×",
    6: "4× or more",
}
_SHARES = (0.25, 0.5, 0.8)
_SHARE_WORDS = {3: "below 25 %", 4: "from 25 %", 5: "from 50 %", 6: "80 % or more"}
_SYMBOLS = "✗ wrong or crashed, △ known to disagree, ∅ cannot run, · not timed."


@dataclass(frozen=True)
class _Column:
    pass_: str
    shape: str


@dataclass(frozen=True)
class _Kind:
    """One of the two heat maps: its metric, how a value reads, and which step of the ramp it has."""

    metric: str
    read: Callable[[float], str]
    step: Callable[[float], int]
    title: str


_OF_SPEEDUPS = _Kind(SPEEDUP, formatting.ratio, lambda value: bisect_right(_FACTORS, value), "times as fast")
_OF_ROOFS = _Kind(
    ROOF, formatting.percent, lambda value: 3 + bisect_right(_SHARES, value), "share of the speed of a copy"
)


def speed_maps(run: RunData, here: dict[Place, list[Record]]) -> list[Figure]:
    """Return the speedups of a function as heat maps, one for each place, and its distance to the roof likewise."""
    function = next((place.function for place in here), "")
    captions = {
        _OF_SPEEDUPS: f"{function}: how many times as fast as reference · eager, by pass and elements. {_SYMBOLS}",
        _OF_ROOFS: (
            f"{function}, distance to the roof: the speed as a share of that of a copy of as many bytes as the "
            "definition must move."
        ),
    }
    found = []
    for kind, caption in captions.items():
        panels = [panel for place, records in here.items() if (panel := _map(run, place, records, kind))]
        if panels:
            words = _FACTOR_WORDS if kind is _OF_SPEEDUPS else _SHARE_WORDS
            is_wide = any(panel.svg.width_px > NARROW_PX for panel in panels)
            found.append(Figure(tuple(panels), caption, ramp_legend(words), is_wide=is_wide))
    return found


def speedup_figure(run: RunData, place: Place, here: list[Record]) -> list[Figure]:
    """Return the speedups of a place with their intervals, a panel for training and one for inference."""
    panels = [panel for purpose, pass_ in PURPOSES.items() if (panel := _rows(run, place, here, purpose, pass_))]
    if not panels:
        return []
    caption = (
        "Times as fast as reference · eager, with the 95 % interval; in the shaded 5 % nothing is called faster. "
        "From above to below and from small dots to large ones, sizes grow. Hollow: compiled."
    )
    return [Figure(tuple(panels), caption)]


def _rows(run: RunData, place: Place, here: list[Record], purpose: str, pass_: str) -> Panel | None:
    records = [record for record in here if record.metric == SPEEDUP and record.case.pass_ == pass_]
    timed = [record for record in records if (record.value or 0) > 0 and record.case.technique != _NATIVE]
    if not timed:
        return None
    shapes = [column.shape for column in _columns(run, timed)]
    by_cell = {(record.case.technique, record.case.shape): record for record in timed}
    names = list(dict.fromkeys(record.case.technique for record in timed))
    names.sort(key=lambda name: -max(_value(by_cell.get((name, shape))) for shape in shapes[-1:]))
    rows = []
    for name in names:
        first = next(record for record in timed if record.case.technique == name)
        points = tuple(_point(by_cell.get((name, shape))) for shape in shapes)
        sign = _sign(run, place, name)
        rows.append(SpeedupRow(name, first.case.implementation, first.case.mode, points, f"{sign} " if sign else ""))
    told = [f"{row.technique} {formatting.ratio(row.points[-1].value)}" for row in rows if row.points[-1]]
    alt = f"Speedup of {place.function}, {purpose}, {place.heading}. At {shapes[-1]}: {', '.join(told)}."
    return Panel(draw_speedups(rows, looks(run), alt), alt, f"{purpose}: times as fast as the reference")


def _point(record: Record | None) -> SpeedupPoint | None:
    if record is None or record.value is None:
        return None
    known = record.low is not None and record.high is not None
    interval = (record.low or 0.0, record.high or 0.0) if known else None
    return SpeedupPoint(record.case.shape, record.value, interval, record.verdict is Verdict.NOISY)


def _map(run: RunData, place: Place, here: list[Record], kind: _Kind) -> Panel | None:
    records = [record for record in here if record.metric == kind.metric]
    if not any(record.value is not None for record in records):
        return None
    columns = _columns(run, records)
    passes = ordered_passes([column.pass_ for column in columns])
    columns.sort(key=lambda column: passes.index(column.pass_))
    by_cell = {(record.case.technique, _Column(record.case.pass_, record.case.shape)): record for record in records}
    first = {record.case.technique: record for record in records}
    absent = {
        record.case.technique: record
        for record in run.records_of(place.function)
        if record.metric == AVAILABILITY.name and record.case.mode and record.case.device in ("", place.device)
    }
    names = [name for name in {**first, **absent} if kind is _OF_ROOFS or name != _NATIVE]
    if not names:
        return None
    rows = [
        HeatRow(
            name,
            {**absent, **first}[name].case.mode,
            tuple(
                _cell(run, place, by_cell.get((name, each)) or absent.get(name), (name, each), kind) for each in columns
            ),
        )
        for name in names
    ]
    groups = [_group(run, records, pass_, columns) for pass_ in passes]
    title = place.finding_title
    alt = f"{place.function}, {kind.title}, {title}. {_best(by_cell, names, columns, kind)}"
    return Panel(draw_heat(groups, rows, alt), alt, f"{title}: {kind.title}")


def _columns(run: RunData, records: Sequence[Record]) -> list[_Column]:
    found = {_Column(record.case.pass_, record.case.shape): run.elements(record.case) or 0 for record in records}
    return sorted(found, key=lambda column: found[column])


def _group(run: RunData, records: Sequence[Record], pass_: str, columns: Sequence[_Column]) -> HeatGroup:
    elements = {record.case.shape: run.elements(record.case) for record in records}
    shapes = [column.shape for column in columns if column.pass_ == pass_]
    told = [elements[shape] for shape in shapes]
    names = [
        formatting.compact(size) if size and told.count(size) == 1 else shape
        for size, shape in zip(told, shapes, strict=True)
    ]
    return HeatGroup(pass_title(pass_), tuple(formatting.shortened(name, 9) for name in names))


def _cell(run: RunData, place: Place, record: Record | None, of: tuple[str, _Column], kind: _Kind) -> HeatCell:
    name, column = of
    where = f"{name}, {column.pass_.replace('_', ' + ')}, {column.shape}"
    if record is None:
        return HeatCell("·", f"{where}: not timed")
    if record.value is None:
        symbol = "✗" if record.verdict.is_failure else "∅"
        return HeatCell(symbol, f"{where}: {record.verdict}{f', {record.detail}' if record.detail else ''}")
    span = interval_text(record)
    if kind is _OF_ROOFS and record.low is not None and record.high is not None:
        span = f"{formatting.percent(record.low)[:-2]}–{formatting.percent(record.high)}"
    said = f"{about(record)}{kind.read(record.value)}{f' ({span})' if span else ''}"
    sign = _sign(run, place, name)
    if sign:
        return HeatCell(sign, f"{where}: {sign} not right, {said}")
    return HeatCell(f"{about(record)}{kind.read(record.value)}", f"{where}: {said}", kind.step(record.value))


def _sign(run: RunData, place: Place, technique: str) -> str:
    own = standings(run, place.labels).get((place.function, technique))
    return _SIGNS.get(own.status, "") if own else ""


def _best(by_cell: dict[tuple[str, _Column], Record], names: list[str], columns: list[_Column], kind: _Kind) -> str:
    """Return the largest figure of each pass at its largest size, in words."""
    last = {column.pass_: column for column in columns}
    said = []
    for pass_, column in last.items():
        found = [record for name in names if (record := by_cell.get((name, column))) and record.value is not None]
        if found:
            top = max(found, key=_value)
            said.append(f"{pass_} at {column.shape}: {top.case.technique} {kind.read(_value(top))}")
    return f"The most: {'; '.join(said)}." if said else "Nothing was timed."


def _value(record: Record | None) -> float:
    return record.value if record and record.value is not None else float("-inf")
