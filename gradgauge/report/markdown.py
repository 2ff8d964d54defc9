"""A run as Markdown: is anything wrong, what to use, how long it takes, what it keeps, where it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradgauge.records import Record
from gradgauge.report.blocks import Block, Bullets, Definitions, Heading, Paragraph
from gradgauge.report.comparison.environment import is_decisive
from gradgauge.report.comparison.page import document_of
from gradgauge.report.comparison.sides import Side
from gradgauge.report.data import RunData
from gradgauge.report.document import Document, Part, Piece
from gradgauge.report.formatting import plural
from gradgauge.report.kept import SAVED
from gradgauge.report.markdown_blocks import document_in_markdown
from gradgauge.report.page import machine_of
from gradgauge.report.places import Place, places
from gradgauge.report.ranking import rankings
from gradgauge.report.scopes import Vocabulary
from gradgauge.report.sections.environment import flatten
from gradgauge.report.sections.summary import render as advice
from gradgauge.report.summary import drifting, failing, state_of
from gradgauge.report.tables.memory import PEAK, memory_table
from gradgauge.report.tables.times import time_table

_LARGEST = "At the largest shape; report.html has all of them."


def run_in_markdown(run: RunData) -> str:
    """Return the answers of one run, short enough for a pull request or a README."""
    described = run.description
    facts = (
        ("Run", described.run_id),
        ("Started", described.start),
        ("Preset", described.preset),
        ("Commit", Side("", run).commit),
        ("Machine", machine_of(run)),
    )
    parts = (
        ("wrong", "Is anything wrong?", _wrong(run), ""),
        ("use", "What should I use?", advice(run), ""),
        ("speed", "How long does it take?", _times(run), "Nothing was timed."),
        ("memory", "What does it cost in memory?", _memory(run), "No memory was counted."),
        ("machine", "Where was it measured?", _environment(run), "The run does not say."),
    )
    document = Document(
        title="",
        heading=f"gradgauge · {described.run_id}",
        facts=[(name, value) for name, value in facts if value],
        chips=(),
        parts=[
            Part(name, title, [Piece(name, "", blocks)] if blocks else [], nothing)
            for name, title, blocks, nothing in parts
        ],
        vocabulary=Vocabulary(),
    )
    return document_in_markdown(document)


def comparison_in_markdown(runs: Sequence[RunData]) -> str:
    """Return the comparison of several runs, without its drawings."""
    return document_in_markdown(document_of(runs))


def _wrong(run: RunData) -> list[Block]:
    wrong = failing(run)
    said = [*state_of(run), *(f"{moved.subject} did not hold still: {moved.text}." for moved in drifting(run))]
    blocks: list[Block] = [Bullets(tuple((sentence,) for sentence in said))] if said else []
    if wrong:
        return [*blocks, Bullets(tuple((f"✗ {remark.subject}: {remark.text}",) for remark in wrong))]
    return [*blocks, Paragraph((f"Nothing failed in {plural(len(run.records), 'record')}.",))]


def _times(run: RunData) -> list[Block]:
    timed = [*run.measured("speed", "time"), *run.measured("speed", "speedup")]
    ranked = {(found.place, found.pass_, found.shape): found for found in rankings(run)}
    blocks: list[Block] = []
    for place in (place for place in places(timed, run.function_names()) if place.is_usual):
        here = _at_largest(run, [record for record in timed if Place.of(record) == place])
        blocks += [
            Heading(f"{place.function} ({place.title})"),
            replace(time_table(run, place, here, ranked), caption=""),
        ]
    return [*blocks, Paragraph((_READING,))] if blocks else []


_READING = (
    "Median time with its 95 % interval, then the speedup over the reference with its own. Among the techniques that "
    f"agree: ★ fastest, by more than 5 % · ☆ not told apart from the fastest. {_LARGEST}"
)


def _memory(run: RunData) -> list[Block]:
    counted = [*run.measured("memory", SAVED), *run.measured("memory", PEAK)]
    blocks: list[Block] = []
    for place in places(counted, run.function_names()):
        here = _at_largest(run, [record for record in counted if Place.of(record) == place])
        blocks += [Heading(f"{place.function} ({place.title})"), *memory_table(run, here)]
    return [*blocks, Paragraph((_LARGEST,))] if blocks else []


def _at_largest(run: RunData, here: list[Record]) -> list[Record]:
    shape = max(here, key=lambda record: run.elements(record.case) or 0).case.shape
    return [record for record in here if record.case.shape == shape]


def _environment(run: RunData) -> list[Block]:
    told = [(key, value) for key, value in flatten(run.description.environment) if is_decisive(key)]
    return [Definitions(tuple(((key,), (value,)) for key, value in told))] if told else []
