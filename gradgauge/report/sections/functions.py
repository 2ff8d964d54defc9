"""What each function is, and what each implementation makes of it."""

from __future__ import annotations

from dataclasses import replace

from gradgauge.cases import REFERENCE
from gradgauge.records import Series
from gradgauge.report.blocks import (
    Block,
    Cell,
    Code,
    Column,
    Definitions,
    Figure,
    Heading,
    LegendEntry,
    Panel,
    Paragraph,
    Table,
    Text,
    Tone,
)
from gradgauge.report.curves import examine
from gradgauge.report.data import RunData
from gradgauge.report.description import FunctionEntry, ImplementationEntry, KinkEntry
from gradgauge.report.figures.curve_plot import Trace, draw_curves
from gradgauge.report.figures.style import Look, looks
from gradgauge.report.figures.svg import behind_swatch
from gradgauge.report.formatting import number

TITLE = "The functions"
ORDER = 30
SHOWS: frozenset[tuple[str, str]] = frozenset()
_AXES = {"value": "f", "gradient": "f′"}

# Implementation, mode, dtype, number of the input → series name → curve.
Groups = dict[tuple[str, str, str, int], dict[str, Series]]


def render(run: RunData) -> list[Block] | None:
    """Return formula, derivative, source, conventions and curves of every function that the run speaks of."""
    blocks: list[Block] = []
    for name in run.selected_functions():
        entry = run.description.functions.get(name)
        blocks.append(Heading(name))
        if entry:
            blocks += _definition(entry)
        blocks += _curves(run, name, entry)
        if entry:
            blocks += _implementations(entry)
    return blocks or None


def _definition(entry: FunctionEntry) -> list[Block]:
    facts = [
        ("f", entry.formula),
        ("f′", entry.derivative),
        ("inputs", ", ".join(entry.inputs)),
        ("kinks", "\n".join(_kink(kink) for kink in entry.kinks)),
        ("agrees within", _budgets(entry)),
        ("source", entry.source),
        ("defined in", "" if entry.origin == "built-in" else entry.origin),
    ]
    items: list[tuple[Text, Text]] = [((term,), (value,)) for term, value in facts if value]
    summary: list[Block] = [Paragraph((entry.summary,))] if entry.summary else []
    return [*summary, Definitions(tuple(items), mono=True)]


def _kink(kink: KinkEntry) -> str:
    if kink.slopes is None:
        return kink.name
    left, right = (number(slope) for slope in kink.slopes)
    return f"{kink.name}: slope {left} from the left, {right} from the right"


def _budgets(entry: FunctionEntry) -> str:
    names = {"value_max_ulp": "value", "gradient_max_ulp": "gradient"}
    known = [(names[metric], budget) for metric, budget in entry.budgets_ulp.items() if budget is not None]
    return ", ".join(f"{name} {number(budget)} ulp" for name, budget in known)


def _implementations(entry: FunctionEntry) -> list[Block]:
    if not entry.implementations:
        return []
    kinks = [kink.name for kink in entry.kinks]
    kinks += [name for item in entry.implementations.values() for name in item.convention if name not in kinks]
    columns = (
        Column("Implementation"),
        Column("What it does"),
        *(Column(f"slope at {kink}", numeric=True) for kink in dict.fromkeys(kinks)),
        Column("Needs"),
    )
    rows = tuple(_implementation_row(item, list(dict.fromkeys(kinks))) for item in entry.implementations.values())
    return [Table(columns, rows, caption="Implementations and the slope that each declares at a kink")]


def _implementation_row(item: ImplementationEntry, kinks: list[str]) -> tuple[Cell, ...]:
    slopes = [item.convention.get(kink) for kink in kinks]
    return (
        Cell((Code(item.name),), note="" if item.origin == "built-in" else item.origin),
        Cell((item.summary or "—",)),
        *(Cell(("—" if slope is None else number(slope),)) for slope in slopes),
        Cell((", ".join(item.requires) or "—",)),
    )


def _curves(run: RunData, function: str, entry: FunctionEntry | None) -> list[Block]:
    drawn = [series for series in run.series if series.case.function == function and series.series in _AXES]
    if not drawn:
        return [Paragraph(("No curve was recorded for this function.",), muted=True)]
    look = looks(run)
    groups: Groups = {}
    for series in drawn:
        case, index = series.case, 0
        while series.series in groups.setdefault((case.implementation, case.mode, case.dtype, index), {}):
            index += 1
        groups[case.implementation, case.mode, case.dtype, index][series.series] = series
    groups = _near(groups, entry)
    # Four stand better two by two than three and one.
    width_px = 400 if len(groups) == 4 else 330
    panels = tuple(_panel(key, curves, groups, entry, look[key[0]], width_px) for key, curves in groups.items())
    legend = (LegendEntry(behind_swatch(), "the reference, behind the curve of each implementation"),)
    caption = (
        "f above f′ over the input, one drawing an implementation. Red marks where the curve is visibly off the "
        "reference, by more than 1 % of it and of its height; hatched, "
        "where it is not finite. A dot stands for the value at the kink itself. Where a fault lies "
        "far out, the axis is linear in the middle and logarithmic beyond."
    )
    return [Figure(panels, caption, legend if any(key[0] == REFERENCE for key in groups) else ())]


def _near(groups: Groups, entry: FunctionEntry | None) -> Groups:
    """Return the curves cut to the range that the function is drawn over, unless a fault lies beyond it."""
    if entry is None or entry.curve is None:
        return groups
    low, high = entry.curve
    for key, curves in groups.items():
        for trace in _traces(curves, _reference(key, groups), _joints(entry)).values():
            if any(start < low or end > high for start, end in (*trace.finding.differs, *trace.finding.not_finite)):
                return groups
    return {key: {name: _cut(series, low, high) for name, series in curves.items()} for key, curves in groups.items()}


def _cut(series: Series, low: float, high: float) -> Series:
    kept = [(x, y) for x, y in zip(series.x, series.y, strict=True) if low <= x <= high]
    return replace(series, x=tuple(x for x, _ in kept), y=tuple(y for _, y in kept)) if kept else series


def _joints(entry: FunctionEntry | None) -> tuple[float, ...]:
    if entry is None:
        return ()
    return (*entry.breakpoints, *(kink.point for kink in entry.kinks if kink.point is not None))


def _reference(key: tuple[str, str, str, int], groups: Groups) -> dict[str, Series]:
    own = {other[1:]: found for other, found in groups.items() if other[0] == REFERENCE}
    # Where the reference has no curve of this mode and dtype, any of its own serves: f is the same function.
    return own.get(key[1:]) or next(iter(own.values()), {})


def _traces(curves: dict[str, Series], reference: dict[str, Series], kinks: tuple[float, ...]) -> dict[str, Trace]:
    return {
        name: Trace(curves[series], reference.get(series), examine(curves[series], reference.get(series), kinks))
        for series, name in _AXES.items()
        if series in curves
    }


def _panel(
    key: tuple[str, str, str, int],
    curves: dict[str, Series],
    groups: Groups,
    entry: FunctionEntry | None,
    look: Look,
    width_px: int,
) -> Panel:
    implementation, mode, dtype, index = key
    kinks = _joints(entry)
    reference = _reference(key, groups)
    traces = _traces(curves, reference, kinks)
    said = [trace.finding.sentence(name) for name, trace in traces.items() if not trace.finding.is_clean]
    alone = implementation == REFERENCE or not reference
    clean = "the reference" if implementation == REFERENCE else "" if alone else "follows the reference"
    caption = "✗ " + ". ".join(said) if said else f"✓ {clean}" if clean and not alone else clean
    tone: Tone = "bad" if said else "plain"
    many = len({other[1:3] for other in groups}) > 1
    followed = next(iter(curves.values())).x_unit
    along = f"along {followed}" if followed else f"input {index + 1}" if index else ""
    title = " · ".join([implementation, *((mode, dtype) if many else ()), *((along,) if along else ())])
    alt = f"{' and '.join(traces)} of {title}. {caption or 'There is no reference to compare with'}."
    return Panel(draw_curves(traces, look, tuple(sorted(set(kinks))), alt, width_px), alt, title, caption, tone)
