"""What each suite spent its time on."""

from __future__ import annotations

from collections.abc import Mapping

from gradgauge.report import formatting
from gradgauge.report.blocks import Block, Bullets, Cell, Code, Column, Table, Text

_TIMED = "timed regions"
_WARM_UP = "warm-up and compilation"
# What the graphs of a pass are filed under; older runs did not file flushes with them.
_PREPARED = {"fresh graphs and flushes": ", fresh graphs and flushes", "fresh graphs": " and fresh graphs"}


def spending_table(spent_s: Mapping[str, Mapping[str, float]]) -> list[Block]:
    """Return seconds and shares by suite, the largest first, and what was left for timing; nothing in older runs."""
    rows = tuple(
        (
            Cell((suite,)),
            Cell((what,)),
            Cell((formatting.duration(seconds),)),
            Cell((_share(seconds, sum(spent.values())),)),
        )
        for suite, spent in spent_s.items()
        for what, seconds in sorted(spent.items(), key=lambda item: -item[1])
    )
    columns = (
        Column("Suite"),
        Column("Spent on"),
        Column("Time", numeric=True),
        Column("Share of the suite", numeric=True),
    )
    told = tuple(line for suite, spent in spent_s.items() for line in _into_timing(suite, spent))
    return [*([Table(columns, rows, heads=2)] if rows else []), *([Bullets(told)] if told else [])]


def _into_timing(suite: str, spent: Mapping[str, float]) -> list[Text]:
    """Return which share went into what is timed; nothing where the run does not say, or nobody's code was timed."""
    prepared = next((name for name in _PREPARED if name in spent), "")
    if not prepared or _TIMED not in spent or _WARM_UP not in spent:
        return []
    timing_s = spent[_TIMED] + spent[prepared]
    rest_s = sum(spent.values()) - spent[_WARM_UP]
    if not 0 < timing_s <= rest_s:
        return []
    share = formatting.percent(timing_s / rest_s)
    return [(Code(suite), f": {share} of its time, {_WARM_UP} apart, went into {_TIMED}{_PREPARED[prepared]}.")]


def _share(seconds: float, total_s: float) -> str:
    return formatting.percent(seconds / total_s) if total_s > 0 else formatting.MISSING
