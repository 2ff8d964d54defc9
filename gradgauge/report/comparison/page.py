"""The comparison as a page, and as parts that any other format is made of."""

from __future__ import annotations

from collections.abc import Sequence

from gradgauge.report.blocks import Mark
from gradgauge.report.comparison.advice import advice_blocks
from gradgauge.report.comparison.environment import decisive_differences, environment_blocks
from gradgauge.report.comparison.exact import exact_blocks, one_sided_blocks
from gradgauge.report.comparison.sides import Side, sides_of
from gradgauge.report.comparison.times import times_blocks
from gradgauge.report.comparison.verdict import verdict_blocks
from gradgauge.report.data import RunData
from gradgauge.report.document import Chip, Document, Part, Piece, render
from gradgauge.report.formatting import listed, plural
from gradgauge.report.page import machine_of
from gradgauge.report.scopes import Vocabulary
from gradgauge.report.summary import failing


def render_comparison(runs: Sequence[RunData]) -> str:
    """Return the runs side by side as HTML; the first is the base that the others are held against."""
    return render(document_of(runs))


def document_of(runs: Sequence[RunData]) -> Document:
    """Return the page as values: what differs around the runs first, then what changed."""
    sides = sides_of(runs)
    names = listed([side.run.description.run_id for side in sides])
    parts = (
        ("environment", "What differs around the runs?", environment_blocks),
        ("verdict", "What changed?", verdict_blocks),
        ("advice", "What does each run recommend?", advice_blocks),
        ("times", "Faster or slower?", times_blocks),
        ("exact", "Which verdicts and exact figures changed?", exact_blocks),
        ("alone", "What has only one of the runs?", one_sided_blocks),
    )
    return Document(
        title=f"gradgauge · {names}",
        heading=f"{plural(len(sides), 'run')} side by side",
        facts=[(side.name, _introduced(side, is_base=side is sides[0])) for side in sides],
        chips=_chips(sides),
        parts=[Part(name, title, (Piece(f"{name}-blocks", "", blocks(sides)),)) for name, title, blocks in parts],
        vocabulary=Vocabulary.of(runs),
    )


def _introduced(side: Side, *, is_base: bool) -> str:
    described = side.run.description
    facts = [
        "the base",
        described.run_id,
        described.start,
        described.preset,
        side.commit and f"commit {side.commit}",
        machine_of(side.run),
    ]
    return " · ".join(fact for fact in facts[not is_base :] if fact)


def _chips(sides: Sequence[Side]) -> list[Chip]:
    differing = decisive_differences(sides)
    same = Mark("✓", "same processor, threads, Python and torch", "good")
    other = Mark("≠", f"{plural(len(differing), 'entry', 'entries')} that times hang on differ", "warn")
    wrong = [side.name for side in sides if failing(side.run)]
    chips = [Chip(other if differing else same, "environment")]
    if wrong:
        chips.append(Chip(Mark("✗", f"something is wrong in {listed(wrong)}", "bad"), "verdict"))
    return chips
