"""Where and how it was measured, and how to read the figures."""

from __future__ import annotations

import shlex
from typing import Any

from gradgauge.report import formatting
from gradgauge.report.blocks import Block, Cell, Code, Column, Definitions, Fold, Heading, Paragraph, Table, Text
from gradgauge.report.data import RunData
from gradgauge.report.description import Description, Timing
from gradgauge.report.questions import Question
from gradgauge.report.tables.spending import spending_table

TITLE = "Environment and reading"
QUESTION = Question.TRUST
ORDER = 90
SHOWS: frozenset[tuple[str, str]] = frozenset()


def render(run: RunData) -> list[Block]:
    """Return how the run was started, where its time went, the machine, and the metrics' definitions."""
    description = run.description
    blocks: list[Block] = [Heading("The run"), Definitions(_how(description), mono=True)]
    if description.phases_s:
        rows = tuple(
            (Cell((name,)), Cell((formatting.duration(seconds),))) for name, seconds in description.phases_s.items()
        )
        blocks += [Heading("Where the time went"), Table((Column("Phase"), Column("Time", numeric=True)), rows)]
    spent = spending_table(description.spent_s)
    if spent:
        blocks += [*([] if description.phases_s else [Heading("Where the time went")]), *spent]
    flat = flatten(description.environment)
    if flat:
        blocks.append(Heading("The machine"))
        blocks += _environment(flat)
    else:
        blocks.append(Paragraph(("The run does not say where it was measured.",)))
    return [*blocks, *_reading(description)]


def flatten(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Return nested JSON as dotted names and texts, None as unknown.

    >>> flatten({"cpu": {"cores": 2, "flags": ["avx", "fma"]}, "gpu": None})
    [('cpu.cores', '2'), ('cpu.flags', 'avx, fma'), ('gpu', 'unknown')]
    >>> flatten({"ram_bytes": 8 * 2**30})
    [('ram_bytes', '8.0 GiB')]
    """
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in flatten(item, f"{path}.{key}" if path else key)]
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return [pair for index, item in enumerate(value) for pair in flatten(item, f"{path}[{index}]")]
    if isinstance(value, list):
        return [(path, ", ".join(map(_scalar, value)) or "none")]
    if path.endswith("_bytes") and isinstance(value, int):
        return [(path, formatting.size(value))]
    return [] if value is None and not path else [(path, _scalar(value))]


def _scalar(value: object) -> str:
    if value is None:
        return "unknown"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _how(description: Description) -> tuple[tuple[Text, Text], ...]:
    facts = [
        ("command", shlex.join(description.command)),
        ("preset", description.preset),
        ("seed", description.seed),
        ("selection", ", ".join(f"{key} {value}" for key, value in flatten(description.selection) if value != "none")),
        ("timing", _timing(description.timing)),
        ("start", description.start),
        ("end", description.end or "did not end"),
    ]
    return tuple(((term,), (value or "unknown",)) for term, value in facts)


def _timing(timing: Timing) -> str:
    known = [] if timing.precision is None else [f"±{formatting.percent(timing.precision)}"]
    known += [
        f"{key} {', '.join(told)}" for key, told in (("cache", timing.caches), ("backward", timing.protocols)) if told
    ]
    return "; ".join([*known, *(["replayed from CUDA graphs, too"] if timing.cuda_graph else [])])


def _environment(flat: list[tuple[str, str]]) -> list[Block]:
    groups: dict[str, list[tuple[Text, Text]]] = {"": []}
    for key, value in flat:
        group, _, name = key.partition(".")
        groups.setdefault(group if name else "", []).append(((name or key,), (value,)))
    blocks: list[Block] = []
    for group, items in ((name, items) for name, items in groups.items() if items):
        many = len(items) > 15
        table = Definitions(tuple(items), mono=True)
        if many:
            blocks.append(Fold(f"{group or 'other'} ({len(items)})", (table,)))
        else:
            blocks += [*([Heading(group, level=4)] if group else []), table]
    return blocks


def _reading(description: Description) -> list[Block]:
    defined = [metric for metric in description.metrics.values() if metric.help]
    if not defined:
        return []
    items = tuple(((Code(metric.name),), (_definition(metric.help, metric.unit, metric.better),)) for metric in defined)
    intro = (
        "Intervals span 95 %. ulp: the distance between neighbouring numbers of the dtype. A technique is an "
        "implementation in a mode; the reference is the one that the others are held against, never an earlier result."
    )
    return [Heading("How to read the figures"), Paragraph((intro,)), Definitions(items)]


def _definition(help_: str, unit: str, better: str | None) -> str:
    remarks = [f"unit: {unit}"] if unit else []
    remarks += [f"{better} is better"] if better else []
    return f"{help_} ({'; '.join(remarks)})" if remarks else help_
