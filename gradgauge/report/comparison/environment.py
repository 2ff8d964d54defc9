"""What differs between the runs' machines, software and settings, before anything else is compared."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict

from gradgauge.gate.stored import SAME_MACHINE
from gradgauge.report.blocks import Block, Callout, Cell, Code, Column, Fold, Paragraph, Strong, Table
from gradgauge.report.comparison.sides import Side
from gradgauge.report.formatting import listed, plural, shortened
from gradgauge.report.sections.environment import flatten

_MOMENTARY = ("load_average", "clocks.sm", "power.draw")
_DECISIVE_OF_AN_ACCELERATOR = ("].name", "driver_version", "power.limit")
_LONGEST = 48
_OPEN_ROWS = 8
_NOT_SAID = "—"

# Key → what each run has of it, in the order of the runs; None where it says nothing.
Facts = dict[str, list[str | None]]


def environment_blocks(sides: Sequence[Side]) -> list[Block]:
    """Return a table of what differs, what decides about times first; what is equal is folded."""
    found = facts(sides)
    moving = {key: values for key, values in found.items() if key.endswith(_MOMENTARY)}
    settled = {key: values for key, values in found.items() if key not in moving}
    other = {key: values for key, values in settled.items() if len(set(values)) > 1}
    same = {key: values for key, values in settled.items() if key not in other}
    decisive = {key: values for key, values in other.items() if is_decisive(key)}
    further = {key: values for key, values in other.items() if key not in decisive}
    blocks: list[Block] = [_finding(other)]
    if len(further) > _OPEN_ROWS:
        blocks += [_table(sides, decisive)] if decisive else []
        blocks.append(Fold(f"{plural(len(further), 'other difference')}", (_table(sides, further),)))
    elif other:
        blocks.append(_table(sides, decisive | further))
    blocks += [Fold(f"What moves from moment to moment ({len(moving)})", (_table(sides, moving),))] if moving else []
    if same:
        rows = tuple((Cell((Code(key),)), Cell((_short(values[0]),))) for key, values in same.items())
        title = f"{plural(len(same), 'entry is', 'entries are')} the same in all runs"
        blocks.append(Fold(title, (Table((Column("What"), Column("In all runs")), rows, is_dense=True),)))
    return blocks


def facts(sides: Sequence[Side]) -> Facts:
    """Return everything that the runs say of where and how they were measured."""
    told = [dict(_facts_of(side)) for side in sides]
    keys = dict.fromkeys(key for one in told for key in one)
    return {key: [one.get(key) for one in told] for key in keys}


def decisive_differences(sides: Sequence[Side]) -> list[str]:
    """Return the keys that differ of those that times hang on."""
    return [key for key, values in facts(sides).items() if is_decisive(key) and len(set(values)) > 1]


def is_decisive(key: str) -> bool:
    """Whether times hang on it: processor, threads, Python, torch, an accelerator and its driver."""
    return key in SAME_MACHINE or (key.startswith("accelerators[") and key.endswith(_DECISIVE_OF_AN_ACCELERATOR))


def _facts_of(side: Side) -> list[tuple[str, str]]:
    described = side.run.description
    run = {
        "command": shlex.join(described.command),
        "preset": described.preset,
        "seed": described.seed,
        "selection": described.selection,
        "timing": asdict(described.timing),
    }
    return flatten({"run": run}) + flatten(described.environment)


def _finding(other: Facts) -> Block:
    if not other:
        return Paragraph(("Nothing differs between the machines, the software and the settings of these runs.",))
    decisive = [key for key in other if is_decisive(key)]
    if not decisive:
        return Paragraph(("Nothing that times hang on differs: the same processor, threads, Python and torch.",))
    said = (
        f"{listed(decisive)} {'differs' if len(decisive) == 1 else 'differ'}: a ratio of times compares that, too. "
        "The ratio of speedups does not, as each is taken within its own run, against the reference."
    )
    return Callout("warn", "Times hang on what differs", (said,))


def _table(sides: Sequence[Side], found: Facts) -> Table:
    columns = (Column("What"), *(Column(side.name, note=side.run.description.run_id) for side in sides))
    rows = tuple(
        (
            Cell(
                (Strong(key) if is_decisive(key) else Code(key),), note="times hang on it" if is_decisive(key) else ""
            ),
            *(Cell((_short(value),), hint=value if value and len(value) > _LONGEST else "") for value in values),
        )
        for key, values in found.items()
    )
    return Table(columns, rows)


def _short(value: str | None) -> str:
    return _NOT_SAID if value is None else shortened(value, _LONGEST) or "none"
