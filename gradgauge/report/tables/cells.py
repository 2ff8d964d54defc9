"""How a record stands in a cell: ≈ before a noisy value, a mark where there is none."""

from __future__ import annotations

from gradgauge.cases import PASSES
from gradgauge.records import Record, Verdict
from gradgauge.report import formatting
from gradgauge.report.blocks import Cell, mark

ABOUT = "≈ "
PASS_TITLES = {
    "inference": "inference",
    "forward": "forward, graph recorded",
    "forward_backward": "forward + backward",
}
EMPTY = Cell(("—",), tone="muted")


def about(record: Record) -> str:
    """Return the sign that stands before a noisy value."""
    return ABOUT if record.verdict is Verdict.NOISY else ""


def value_text(record: Record) -> str:
    """Return the record's value with its unit, `≈ 1.20 ms` where it is noisy."""
    return about(record) + formatting.quantity(record.value, record.unit)


def interval_text(record: Record) -> str:
    """Return the record's interval; nothing where it has none."""
    return formatting.interval(record.low, record.high, record.unit)


def valueless_cell(record: Record) -> Cell:
    """Return the cell of a record that has no value: its verdict."""
    return Cell((mark(record.verdict),), tone="bad" if record.verdict.is_failure else "muted")


def ordered_passes(found: list[str]) -> list[str]:
    """Return the passes that occur, known ones in their order, others behind them."""
    known = [pass_ for pass_ in PASSES if pass_ in found]
    return known + sorted(set(found) - set(known))


def pass_title(pass_: str) -> str:
    """Return a pass as a heading has it."""
    return PASS_TITLES.get(pass_, pass_)
