"""The curves of one function: a drawing for each implementation, with what is to be seen in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gradgauge.cases import REFERENCE
from gradgauge.records import Series
from gradgauge.report.blocks import Figure, LegendEntry, Panel, Tone
from gradgauge.report.budgets import ErrorBudgets
from gradgauge.report.curves import ErrorCurve, examine
from gradgauge.report.data import RunData
from gradgauge.report.description import FunctionEntry
from gradgauge.report.figures.curve_plot import Trace, draw_curves
from gradgauge.report.figures.style import Look, looks
from gradgauge.report.figures.svg import behind_swatch, budget_swatch
from gradgauge.report.formatting import listed

_AXES = {"value": "f", "gradient": "f′"}
_ERRORS = {"value": "value_error", "gradient": "gradient_error"}
_BUDGETS = {"value": "value_budget", "gradient": "gradient_budget"}
_CAPTION = (
    "f above f′ over the input, one drawing an implementation. Red marks where the curve is visibly off the "
    "reference, by more than 1 % of it and of its height; hatched, where it is not finite. A dot stands for the value "
    "at the kink itself. Where a fault lies far out, the axis is linear in the middle and logarithmic beyond."
)
_OF_ERRORS = (
    " Below each, its difference to the oracle in ulps, linear up to 1 and logarithmic beyond; red above the budget."
)


@dataclass(frozen=True)
class Key:
    """What one drawing is of. index: the number of the input that its curves follow."""

    implementation: str
    mode: str
    dtype: str
    index: int


# What is drawn together: series name → curve.
Groups = dict[Key, dict[str, Series]]


def curve_figure(run: RunData, function: str, entry: FunctionEntry | None, budgets: ErrorBudgets) -> Figure | None:
    """Return f above f′ with their errors, a panel for each implementation; None where no curve was recorded."""
    groups = _groups([series for series in run.series if series.case.function == function])
    groups = {key: curves for key, curves in groups.items() if any(name in curves for name in _AXES)}
    if not groups:
        return None
    panels = _Panels(function, entry, _near(groups, entry), budgets)
    look = looks(run)
    # Four stand better two by two than three and one.
    width_px = 400 if len(groups) == 4 else 330
    has_errors = any(name in curves for curves in groups.values() for name in _ERRORS.values())
    legend = [LegendEntry(behind_swatch(), "the reference, behind the curve of each implementation")]
    legend = legend if any(key.implementation == REFERENCE for key in groups) else []
    legend += [LegendEntry(budget_swatch(), "the budget of an error")] if has_errors else []
    drawn = tuple(panels.panel(key, look[key.implementation], width_px) for key in groups)
    return Figure(drawn, _CAPTION + (_OF_ERRORS if has_errors else ""), tuple(legend))


def _groups(drawn: list[Series]) -> Groups:
    groups: Groups = {}
    for series in drawn:
        if series.series not in (*_AXES, *_ERRORS.values(), *_BUDGETS.values()):
            continue
        case, index = series.case, 0
        while series.series in groups.setdefault(Key(case.implementation, case.mode, case.dtype, index), {}):
            index += 1
        groups[Key(case.implementation, case.mode, case.dtype, index)][series.series] = series
    return groups


def _near(groups: Groups, entry: FunctionEntry | None) -> Groups:
    """Return the curves cut to the range that the function is drawn over, unless a fault lies beyond it."""
    if entry is None or entry.curve is None:
        return groups
    low, high = entry.curve
    for key, curves in groups.items():
        reference = _reference(key, groups)
        for name in (name for name in _AXES if name in curves):
            finding = examine(curves[name], reference.get(name), _joints(entry))
            if any(start < low or end > high for start, end in (*finding.differs, *finding.not_finite)):
                return groups
    return {key: {name: _cut(series, low, high) for name, series in curves.items()} for key, curves in groups.items()}


def _cut(series: Series, low: float, high: float) -> Series:
    kept = [(x, y) for x, y in zip(series.x, series.y, strict=True) if low <= x <= high]
    return replace(series, x=tuple(x for x, _ in kept), y=tuple(y for _, y in kept)) if kept else series


def _joints(entry: FunctionEntry | None) -> tuple[float, ...]:
    if entry is None:
        return ()
    return (*entry.breakpoints, *(kink.point for kink in entry.kinks if kink.point is not None))


def _reference(key: Key, groups: Groups) -> dict[str, Series]:
    own = {replace(other, implementation=""): found for other, found in groups.items() if _is_reference(other)}
    # Where the reference has no curve of this mode and dtype, any of its own serves: f is the same function.
    return own.get(replace(key, implementation="")) or next(iter(own.values()), {})


def _is_reference(key: Key) -> bool:
    return key.implementation == REFERENCE


class _Panels:
    def __init__(self, function: str, entry: FunctionEntry | None, groups: Groups, budgets: ErrorBudgets) -> None:
        self._function, self._groups, self._budgets = function, groups, budgets
        self._joints = _joints(entry)

    def panel(self, key: Key, look: Look, width_px: int) -> Panel:
        traces = self._traces(key)
        caption, tone = self._caption(key, traces)
        title = self._title(key)
        alt = f"{listed(list(traces))} of {title}. {caption or 'There is no reference to compare with'}."
        return Panel(
            draw_curves(traces, look, tuple(sorted(set(self._joints))), alt, width_px), alt, title, caption, tone
        )

    def _traces(self, key: Key) -> dict[str, Trace]:
        curves, reference = self._groups[key], _reference(key, self._groups)
        found = {}
        for series, name in _AXES.items():
            if series in curves:
                curve, other = curves[series], reference.get(series)
                found[name] = Trace(curve, other, examine(curve, other, self._joints), self._error(key, series))
        return found

    def _error(self, key: Key, series: str) -> ErrorCurve | None:
        curve = self._groups[key].get(_ERRORS[series])
        if curve is None:
            return None
        along = self._groups[key].get(_BUDGETS[series])
        if along is not None and along.x == curve.x:
            return ErrorCurve(curve, along.y)
        subject = curve.x_unit if series == "gradient" else ""
        budget = self._budgets.ulp(self._function, key.dtype, series, subject)
        return ErrorCurve(curve, () if budget is None else (budget,) * len(curve.x))

    def _title(self, key: Key) -> str:
        many = len({(other.mode, other.dtype) for other in self._groups}) > 1
        followed = next(iter(self._groups[key].values())).x_unit
        along = f"along {followed}" if followed else f"input {key.index + 1}" if key.index else ""
        return " · ".join([key.implementation, *((key.mode, key.dtype) if many else ()), *((along,) if along else ())])

    def _caption(self, key: Key, traces: dict[str, Trace]) -> tuple[str, Tone]:
        """Return what is wrong with the curves, or that nothing is, and by how much they err."""
        said = [trace.finding.sentence(name) for name, trace in traces.items() if not trace.finding.is_clean]
        errors = {name: trace.error for name, trace in traces.items() if trace.error}
        said += [error.complaint(name) for name, error in errors.items() if error.is_beyond]
        if said:
            return f"✗ {'. '.join(said)}", "bad"
        largest = ", ".join(f"{error.largest_in_words} in {name}" for name, error in errors.items())
        off = f"at most {largest} off the oracle" if largest else ""
        clean = "the reference" if _is_reference(key) else "✓ follows the reference"
        return "; ".join(filter(None, (clean if _reference(key, self._groups) else "", off))), "plain"
