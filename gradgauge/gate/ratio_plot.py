"""The intervals of ratios beside their tolerance, drawn in text."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from gradgauge.gate.findings import Finding, Ratio
from gradgauge.gate.words import change, limit_of, told_apart
from gradgauge.report.formatting import shortened

MOST_ROWS = 30
_COLUMNS = 41
_LABEL = 48
_MOST_COMMON = 100
_LEAST_REACH = 0.06
_LIMITS_AWAY = 6.0
LEGEND = "│ as before  ┊ tolerance  ├─●─┤ interval  ◀ ▶ beyond the axis"


def span_of(ratios: Sequence[Ratio]) -> tuple[float, float]:
    """Return from where to where an axis of ratios goes: as far as the intervals do, but no farther than matters.

    It holds 1 and the tolerances that are usual among the ratios. Beyond six of these one factor is as bad as another,
    and the rest would shrink to a dot beside it.
    """
    limit = statistics.median(limit_of(ratio) for ratio in ratios)
    reach = max(_LEAST_REACH, _LIMITS_AWAY * limit)
    lows = [ratio.value if ratio.low is None else ratio.low for ratio in ratios]
    highs = [ratio.value if ratio.high is None else ratio.high for ratio in ratios]
    low = max(min(*lows, 1 - limit / 2), 1 - reach)
    high = min(max(*highs, 1 + 1.5 * limit), 1 + reach)
    margin = max(0.04 * (high - low), 1e-3)
    return low - margin, high + margin


def ratio_plot(timed: Sequence[Finding], most: int = MOST_ROWS) -> list[str]:
    """Return lines: an axis, a line for each case in the order given, and how many more there are.

    timed: findings with a ratio; those without one are left out.
    """
    drawn = [(finding, finding.ratio) for finding in timed if finding.ratio]
    shown = drawn[:most]
    if not shown:
        return []
    axis = Axis(*span_of([ratio for _, ratio in shown]))
    common, names = told_apart([finding for finding, _ in shown])
    labels = [shortened(name, _LABEL) for name in names]
    width = max(cell_len(label) for label in labels)
    lines = [*([shortened(common, _MOST_COMMON), ""] if common else []), f"{' ' * width}  {axis.scale()}".rstrip()]
    for label, (_, ratio) in zip(labels, shown, strict=True):
        lines.append(f"{set_cell_size(label, width)}  {axis.row(ratio)}  {change(ratio.value)}")
    if len(drawn) > most:
        lines.append(f"… and {len(drawn) - most:,} more")
    return [*lines, "", LEGEND]


@dataclass(frozen=True)
class Axis:
    """Columns of text from the ratio `low` to the ratio `high`."""

    low: float
    high: float

    def scale(self) -> str:
        """Return the labels of the axis: its ends, and 0 where nothing changed."""
        first, last = change(self.low), change(self.high)
        line = list(first.ljust(_COLUMNS - len(last)) + last)
        middle = self._column(1.0)
        if line[middle - 1 : middle + 2] == [" ", " ", " "]:
            line[middle] = "0"
        return "".join(line)

    def row(self, ratio: Ratio) -> str:
        """Return one interval with its value, no change and the tolerance."""
        line = [" "] * _COLUMNS
        line[self._column(1.0)] = "│"
        if self._holds(1 + limit_of(ratio)):
            line[self._column(1 + limit_of(ratio))] = "┊"
        if ratio.low is not None and ratio.high is not None:
            start, end = self._column(ratio.low), self._column(ratio.high)
            line[start : end + 1] = "─" * (end + 1 - start)
            line[start], line[end] = "├", "┤"
            if not self._holds(ratio.low):
                line[start] = _beyond(ratio.low)
            if not self._holds(ratio.high):
                line[end] = _beyond(ratio.high)
        line[self._column(ratio.value)] = "●" if self._holds(ratio.value) else _beyond(ratio.value)
        return "".join(line)

    def _holds(self, ratio: float) -> bool:
        return self.low <= ratio <= self.high

    def _column(self, ratio: float) -> int:
        share = (min(max(ratio, self.low), self.high) - self.low) / (self.high - self.low)
        return round(share * (_COLUMNS - 1))


def _beyond(ratio: float) -> str:
    return "▶" if ratio > 1 else "◀"
