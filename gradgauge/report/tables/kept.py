"""The ledger as a table: what each technique keeps for its backward, how much of it extra, and who keeps it."""

from __future__ import annotations

from collections.abc import Sequence

from gradgauge.report.blocks import Cell, Column, Table
from gradgauge.report.formatting import size
from gradgauge.report.kept import Kept
from gradgauge.report.tables.cells import EMPTY, valueless_cell


def kept_table(found: Sequence[Kept]) -> Table:
    """Return a row a technique, at the one shape that all of them are of."""
    known = any(kept.elements for kept in found)
    per = "per element of the output" if known else "in all"
    columns = (
        Column("Technique"),
        Column("kept for backward", numeric=True, note=per),
        Column("of it extra", numeric=True, note=per),
        Column("What, and who keeps it"),
    )
    return Table(columns, tuple(_row(kept) for kept in found), f"The ledger at {found[0].case.shape}")


def _row(kept: Kept) -> tuple[Cell, ...]:
    name, value = Cell((kept.case.technique,)), kept.saved.value
    if value is None:
        return name, valueless_cell(kept.saved), EMPTY, Cell((kept.saved.detail or "—",))
    extra = EMPTY if kept.extra_bytes is None else Cell((kept.per_element(kept.extra_bytes),))
    whole = Cell((kept.per_element(value),), note=size(value) if kept.elements else "")
    what = "; ".join(f"{role}: {kept.tensors(role)}" for role in kept.by_role)
    keepers = [keeper for role in kept.by_role for keeper in kept.keepers(role)]
    return name, whole, extra, Cell((what or "nothing",), note=", ".join(dict.fromkeys(keepers)))
