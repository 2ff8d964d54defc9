"""The trend as a page: machine by machine, what changed first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gradgauge.report.blocks import Block, Cell, Code, Column, Fold, Heading, Mark, Paragraph, Table
from gradgauge.report.document import Chip, Document, Part, Piece, render
from gradgauge.report.formatting import plural
from gradgauge.report.page import machine_of
from gradgauge.report.scopes import Vocabulary
from gradgauge.report.trend.machines import GROUPING, commit_of, machines
from gradgauge.report.trend.reading import Left, Stored, read_all
from gradgauge.report.trend.sections import LOOKING, Seen, change_blocks, exact_blocks, time_blocks
from gradgauge.runs import UnreadableRun


def render_trend(results: Path) -> str:
    """Return the page of all runs below a folder. Raises UnreadableRun where there is none that can be read."""
    stored, left = read_all(results)
    if not stored:
        why = f": {left[0].path}: {left[0].reason}" if left else ", which has no folder with a run.json"
        raise UnreadableRun(f"no run can be read below {results}{why}")
    return render(document_of(results, stored, left))


def document_of(results: Path, stored: Sequence[Stored], left: Sequence[Left]) -> Document:
    """Return the page as values."""
    seen = [Seen(machine) for machine in machines(stored)]
    changes = sum(not change.is_shared for each in seen for change in each.changes)
    mark = Mark("≠", plural(changes, "change"), "warn") if changes else Mark("·", "no change of a time", "plain")
    parts: tuple[tuple[str, str, list[Block], Callable[[Seen], list[Block]]], ...] = (
        ("changed", "What changed for good?", [Paragraph((LOOKING,), muted=True)], change_blocks),
        ("times", "How long, run by run?", [], time_blocks),
        ("exact", "Which exact figures changed?", [], exact_blocks),
    )
    return Document(
        title=f"gradgauge · trend of {results}",
        heading="How did times change from run to run?",
        facts=[
            ("Runs", f"{len(stored):,} below {results}"),
            ("From", stored[0].run.description.start),
            ("To", stored[-1].run.description.start),
            ("Machines", f"{len(seen):,}"),
        ],
        chips=[Chip(mark, "changed"), *([Chip(_left_mark(left), "runs")] if left else [])],
        parts=[
            *(
                Part(name, title, [Piece(f"{name}-blocks", "", [*first, *_by_machine(seen, blocks)])])
                for name, title, first, blocks in parts
            ),
            Part("runs", "Which runs are these?", [Piece("runs-blocks", "", _run_blocks(seen, left))]),
        ],
        vocabulary=Vocabulary.of([found.run for found in stored]),
    )


def _by_machine(seen: Sequence[Seen], blocks: Callable[[Seen], list[Block]]) -> list[Block]:
    if len(seen) == 1:
        return blocks(seen[0])
    return [block for each in seen for block in (Heading(each.machine.title), *blocks(each))]


def _left_mark(left: Sequence[Left]) -> Mark:
    return Mark("∅", f"{plural(len(left), 'folder')} left out", "muted")


def _run_blocks(seen: Sequence[Seen], left: Sequence[Left]) -> list[Block]:
    blocks: list[Block] = [Paragraph((GROUPING,), muted=True)]
    for each in seen:
        blocks.append(Heading(each.machine.title))
        table = _run_table(each.runs)
        blocks.append(Fold(plural(len(each.runs), "run"), (table,)) if len(each.runs) > 12 else table)
    if left:
        rows = tuple((Cell((Code(str(found.path)),)), Cell((found.reason,))) for found in left)
        blocks += [Heading("Left out"), Table((Column("Folder"), Column("Why")), rows)]
    return blocks


def _run_table(runs: Sequence[Stored]) -> Table:
    columns = (
        Column("Run"),
        Column("Started"),
        Column("Commit"),
        Column("Preset"),
        Column("Machine"),
        Column("Folder"),
    )
    rows = tuple(
        (
            Cell((found.run_id,)),
            Cell((found.run.description.start,)),
            Cell((commit_of(found) or "—",)),
            Cell((found.run.description.preset or "—",)),
            Cell((machine_of(found.run) or "—",)),
            Cell((Code(str(found.path)),)),
        )
        for found in runs
    )
    return Table(columns, rows)
