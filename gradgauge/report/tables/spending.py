"""What each suite spent its time on."""

from __future__ import annotations

from collections.abc import Mapping

from gradgauge.report import formatting
from gradgauge.report.blocks import Cell, Column, Table


def spending_table(spent_s: Mapping[str, Mapping[str, float]]) -> list[Table]:
    """Return seconds and shares by suite, the largest first; nothing where the run does not say."""
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
    return [Table(columns, rows, heads=2)] if rows else []


def _share(seconds: float, total_s: float) -> str:
    return formatting.percent(seconds / total_s) if total_s > 0 else formatting.MISSING
