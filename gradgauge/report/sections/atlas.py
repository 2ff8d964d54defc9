"""Kinks and edges: what each technique computes exactly there and next to it, and which convention it follows."""

from __future__ import annotations

from gradgauge.records import Verdict
from gradgauge.report.atlas import SLOPE, VALUE, atlases
from gradgauge.report.blocks import Block, Bullets, Heading, Paragraph
from gradgauge.report.conventions import kink_sentences, leaves_sign_open, zero_sign_sentences
from gradgauge.report.data import RunData
from gradgauge.report.questions import Question
from gradgauge.report.tables.atlas import atlas_blocks
from gradgauge.report.verdicts import WRONG

TITLE = "Kinks and edges"
QUESTION = Question.GRADIENT
ORDER = 62
SHOWS = frozenset(("gradients", metric) for metric in (VALUE, SLOPE))
_READING = (
    "At a kink the derivative jumps, and every slope between the one-sided ones is right: which one is taken is a "
    "convention. Techniques that agree at all places share a column."
)


def render(run: RunData) -> list[Block] | None:
    """Return, for each function, who follows which convention, and the table of its places."""
    blocks: list[Block] = []
    for function in run.function_names():
        found = atlases(run, function)
        if not found:
            continue
        entry = run.description.functions.get(function)
        blocks.append(Heading(function))
        said = list(dict.fromkeys(sentence for atlas in found for sentence in kink_sentences(atlas, entry)))
        said += zero_sign_sentences(run, function)
        if said:
            blocks.append(Bullets(tuple((sentence,) for sentence in said)))
        for atlas in found:
            blocks += atlas_blocks(atlas, entry, _zero_signs(run, function))
    return [Paragraph((_READING,)), *blocks] if blocks else None


def _zero_signs(run: RunData, function: str) -> dict[str, Verdict]:
    """Return, of each technique whose zeros differ in sign from the oracle's, what was said of it."""
    found: dict[str, Verdict] = {}
    for record in run.records_of(function):
        if record.metric == "value_zero_sign":
            if record.verdict in WRONG:
                found[record.case.technique] = record.verdict
            elif leaves_sign_open(record):
                found.setdefault(record.case.technique, record.verdict)
    return found
