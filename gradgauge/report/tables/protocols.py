"""How the ranking of the backward pass changes with the protocol that it was timed under."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gradgauge.report import formatting
from gradgauge.report.blocks import Block, Cell, Column, Fold, Heading, Table
from gradgauge.report.labels import PROTOCOLS
from gradgauge.report.places import Place
from gradgauge.report.ranking import MARGIN, Contender, Ranking
from gradgauge.report.tables.cells import ABOUT, EMPTY

PASS = "backward"


@dataclass(frozen=True)
class Ranked:
    """A technique under one protocol. rank: one more than how many are told to be faster."""

    contender: Contender
    rank: int


# (shape, technique) → protocol → its rank there, smallest shapes first.
Rows = dict[tuple[str, str], dict[str, Ranked]]


def protocol_tables(rankings: list[Ranking], function: str) -> list[Block]:
    """Return a table technique × protocol for each place of a function that saw several protocols.

    rankings: smallest shapes first.
    """
    here = [found for found in rankings if found.pass_ == PASS and found.place.function == function]
    blocks: list[Block] = []
    for place in dict.fromkeys(found.place.whatever_protocol for found in here):
        alike = [found for found in here if found.place.whatever_protocol == place]
        protocols = [name for name in _order(alike) if any(found.place.protocol == name for found in alike)]
        if len(protocols) > 1:
            blocks += _tables(place, _rows(alike), protocols)
    return blocks


def ranks(ranking: Ranking) -> dict[str, Ranked]:
    """Return the techniques with their ranks; those that cannot be told apart share one, those without a speedup none.

    Two are told apart as for a claim: by intervals that lie MARGIN apart.
    """
    known = [one for one in (*ranking.leaders, *ranking.rest) if math.isfinite(one.speedup)]
    return {
        one.technique: Ranked(one, 1 + sum(other.low > one.high * MARGIN for other in known if other is not one))
        for one in known
    }


def _order(rankings: list[Ranking]) -> list[str]:
    return list(dict.fromkeys([*PROTOCOLS, *(found.place.protocol for found in rankings)]))


def _rows(alike: list[Ranking]) -> Rows:
    rows: Rows = {}
    for shape in dict.fromkeys(found.shape for found in alike):
        for found in (found for found in alike if found.shape == shape):
            for technique, ranked in ranks(found).items():
                rows.setdefault((shape, technique), {})[found.place.protocol] = ranked
    return rows


def _tables(place: Place, rows: Rows, protocols: list[str]) -> list[Block]:
    if not rows:
        return []
    largest = list(rows)[-1][0]
    caption = (
        f"Speedup over reference · eager under the same protocol, {PASS} pass, and the rank among the techniques that "
        "agree; those that cannot be told apart share a rank. ↕ marks a rank that differs from the first column's."
    )
    below = {key: found for key, found in rows.items() if key[0] != largest}
    top = {key: found for key, found in rows.items() if key[0] == largest}
    title = " · ".join(part for part in ("The backward pass by protocol", place.finding_title) if part)
    blocks: list[Block] = [Heading(title, level=4), _table(top, protocols, caption)]
    return [*blocks, Fold("The same at smaller shapes", (_table(below, protocols, caption),))] if below else blocks


def _table(rows: Rows, protocols: list[str], caption: str) -> Table:
    columns = (
        Column("Technique"),
        Column("Shape"),
        *(Column(PROTOCOLS.get(name, name), numeric=True) for name in protocols),
    )
    lines = tuple(
        (
            Cell((technique,)),
            Cell((shape,)),
            *(_cell(found.get(name), found.get(protocols[0])) for name in protocols),
        )
        for (shape, technique), found in rows.items()
    )
    return Table(columns, lines, caption, heads=2)


def _cell(ranked: Ranked | None, first: Ranked | None) -> Cell:
    if ranked is None:
        return EMPTY
    one = ranked.contender
    moved = first is not None and first.rank != ranked.rank
    span = formatting.interval(one.low, one.high, "ratio") if math.isfinite(one.low) and math.isfinite(one.high) else ""
    rank = f"{'↕ ' if moved else ''}rank {ranked.rank}"
    note = f"{rank} ({span[:-1]})" if span and one.low != one.high else rank
    return Cell(((ABOUT if one.noisy else "") + formatting.ratio(one.speedup),), note=note, tone="plain")
