"""Intervals of the change in time, a row a case, beside the tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradgauge.gate.findings import Finding, Outcome, Ratio
from gradgauge.gate.ratio_plot import span_of
from gradgauge.gate.words import OUTCOMES, change, change_interval, limit_in_words, limit_of, told_apart
from gradgauge.report.blocks import Figure, LegendEntry, Panel, Svg
from gradgauge.report.figures.later import later
from gradgauge.report.figures.style import BAD, INK, MUTED, PALETTE, PAPER, Look, theme
from gradgauge.report.figures.svg import budget_swatch, new_axes, say, swatch, to_svg
from gradgauge.report.formatting import plural, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 40
_WIDTH_PX = 470
_ROW_PX = 24
_LABEL_LENGTH = 38
_MOST_TICKS = 6
_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_PLAIN = Look(MUTED, "--muted", "o")
_LOOKS = {
    Outcome.REGRESSION: Look(BAD, "--bad", "D"),
    Outcome.IMPROVEMENT: Look(PALETTE[2][0], "--hue-2", "v"),
    Outcome.CANNOT_TELL: Look(INK, "--ink", "s"),
}
_CAPTION = (
    "How much longer the candidate takes than the baseline, with its interval; the slowest first, one drawing a "
    "function, all on one axis. What lies beyond the axis is an arrow, with its value beside it."
)


@dataclass(frozen=True)
class _Row:
    label: str
    finding: Finding
    ratio: Ratio

    @property
    def look(self) -> Look:
        return _LOOKS.get(self.finding.outcome, _PLAIN)


def gate_figure(timed: Sequence[Finding]) -> Figure | None:
    """Return a drawing for each function of the findings, in their order; None where none of them has a ratio."""
    ratios = [finding.ratio for finding in timed if finding.ratio]
    if not ratios:
        return None
    span = span_of(ratios)
    functions = list(dict.fromkeys(finding.case.function for finding in timed if finding.ratio))
    panels = [_panel([finding for finding in timed if finding.case.function == name], span) for name in functions]
    occurring = dict.fromkeys(finding.outcome for finding in timed)
    legend = [
        LegendEntry(swatch(_LOOKS.get(outcome, _PLAIN), dashed=_is_hollow(outcome)), OUTCOMES[outcome])
        for outcome in Outcome
        if outcome in occurring
    ]
    return Figure(tuple(panels), _CAPTION, (*legend, LegendEntry(budget_swatch(), "what it may be slower by")))


def _panel(timed: Sequence[Finding], span: tuple[float, float]) -> Panel:
    common, labels = told_apart(timed)
    pairs = zip(labels, timed, strict=True)
    rows = [_Row(label, finding, finding.ratio) for label, finding in pairs if finding.ratio]
    shown = rows[:MOST_ROWS]
    told = [f"{row.label} {_told(row)}" for row in shown]
    rest = f", and {plural(len(rows) - len(shown), 'more case')}" if len(rows) > len(shown) else ""
    title = common or timed[0].case.function or "no function recorded"
    alt = f"{title}, change in time against the tolerance: {'; '.join(told)}{rest}."
    caption = f"The {len(shown)} slowest of {plural(len(rows), 'case')}; the table has all." if rest else ""
    return Panel(_drawn(shown, span, alt), alt, title, caption)


@later
def _drawn(rows: Sequence[_Row], span: tuple[float, float], alt: str) -> Svg:
    low, high = span
    with theme():
        figure, (axes,) = new_axes(_WIDTH_PX, 34 + _ROW_PX * max(2, len(rows)))
        axes.axvline(1.0, color=MUTED, linewidth=1.0)
        for position, row in enumerate(rows):
            _draw_row(axes, position, row, span)
        axes.set_xlim(low, high)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        ticks = _ticks(low, high)
        axes.set_xticks(ticks, labels=[_tick_label(tick) for tick in ticks])
        axes.set_yticks(range(len(rows)), labels=[shortened(row.label, _LABEL_LENGTH) for row in rows])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.tick_params(axis="x", length=0)
        axes.grid(visible=False, axis="y")
        axes.spines[["top", "right", "left"]].set_visible(False)
        return to_svg(figure, alt)


def _draw_row(axes: Axes, position: int, row: _Row, span: tuple[float, float]) -> None:
    ratio, look = row.ratio, row.look
    low, high = span
    tick = {"color": MUTED, "linewidth": 1.4, "linestyle": (0, (3, 2))}
    axes.plot([1 + limit_of(ratio)] * 2, [position - 0.5, position + 0.5], **tick)  # type: ignore[arg-type]  # a dash
    if ratio.low is not None and ratio.high is not None:
        ends = [min(max(end, low), high) for end in (ratio.low, ratio.high)]
        style = "--" if _is_hollow(row.finding.outcome) else "-"
        axes.plot(ends, [position] * 2, color=look.colour, linewidth=2.2, linestyle=style, solid_capstyle="butt")
    beyond = ">" if ratio.value > high else "<" if ratio.value < low else ""
    (point,) = axes.plot(
        [min(max(ratio.value, low), high)],
        [position],
        linestyle="none",
        color=look.colour,
        marker=beyond or look.marker,
        markersize=8 if beyond else 6.5,
        markerfacecolor=PAPER if _is_hollow(row.finding.outcome) else look.colour,
        markeredgecolor=look.colour,
        markeredgewidth=1.4,
        clip_on=False,
        zorder=3,
    )
    say(point, f"{row.label}: {_told(row)}")
    axes.annotate(
        change(ratio.value),
        (1.0, position),
        xycoords=("axes fraction", "data"),
        xytext=(10, 0),
        textcoords="offset points",
        va="center",
        annotation_clip=False,
        color=INK,
    )


def _told(row: _Row) -> str:
    figures = f"{change(row.ratio.value)} {change_interval(row.ratio) or '(no interval)'}"
    return f"{figures} against {limit_in_words(row.ratio)}, {OUTCOMES[row.finding.outcome]}"


def _is_hollow(outcome: Outcome) -> bool:
    return outcome is Outcome.CANNOT_TELL


def _ticks(low: float, high: float) -> list[float]:
    """Return ratios at round changes within the axis, 1 among them.

    >>> _ticks(0.97, 1.07)
    [0.98, 1.0, 1.02, 1.04, 1.06]
    """
    step = next((step for step in _STEPS if (high - low) / step <= _MOST_TICKS), high - low)
    first, last = -int((1 - low) / step), int((high - 1) / step)
    return [round(1 + index * step, 6) for index in range(first, last + 1)]


def _tick_label(ratio: float) -> str:
    return "0" if ratio == 1 else change(ratio).replace(".0 %", " %")
