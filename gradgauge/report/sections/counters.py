"""What each implementation makes PyTorch do: operators, kernels, graph breaks, recompilations, compile time."""

from __future__ import annotations

from gradgauge.records import Record
from gradgauge.report.blocks import Block, Bullets, Heading, Paragraph, Text
from gradgauge.report.counted import (
    BREAKS,
    COMPILE,
    FLOPS,
    INSTRUCTIONS,
    METRICS,
    OPERATORS,
    RECOMPILES,
    Counted,
    breaks_in_words,
    operators_in_words,
    payback_in_words,
    reasons_of_breaks,
    remarks_on,
)
from gradgauge.report.data import RunData
from gradgauge.report.places import Place
from gradgauge.report.questions import Question
from gradgauge.report.tables.compiling import compiled_table, payback_table
from gradgauge.report.tables.counters import instructions_table, operators_table

TITLE = "What it makes PyTorch do"
QUESTION = Question.TIME
ORDER = 55
SHOWS = frozenset((suite, metric) for suite, metrics in METRICS.items() for metric in metrics)


def render(run: RunData) -> list[Block] | None:
    """Return counts, what torch.compile made of each technique, and what that costs, for each place."""
    by_place: dict[Place, list[Record]] = {}
    for record in run.records:
        if (record.suite, record.metric) in SHOWS and record.case.function:
            by_place.setdefault(Place.of_case(record.case), []).append(record)
    blocks: list[Block] = []
    for function in (name for name in run.function_names() if any(place.function == name for place in by_place)):
        blocks.append(Heading(function))
        for place, records in by_place.items():
            if place.function == function:
                blocks += [Heading(place.title or "no device recorded", level=4), *_place(Counted(tuple(records)))]
    return blocks or None


def _place(counted: Counted) -> list[Block]:
    said = (*operators_in_words(counted), *breaks_in_words(counted), *payback_in_words(counted))
    blocks: list[Block] = [Paragraph(said)] if said else []
    blocks += [*operators_table(counted), *compiled_table(counted)]
    blocks += [*payback_table(counted), *instructions_table(counted)]
    remarks = _remarks(counted)
    return [*blocks, *([Bullets(tuple(remarks))] if remarks else [])]


def _remarks(counted: Counted) -> list[Text]:
    """Return why graphs break, what was compiled anew, and why a figure is missing."""
    found = [*reasons_of_breaks(counted)]
    for metric, title in {RECOMPILES: "Recompilations", COMPILE: "Compiling", **_MISSING}.items():
        all_ = counted.of(metric)
        said = [record for record in all_ if record.value is None] if metric in _MISSING else all_
        found += remarks_on(said, title, all_)
    return found


_MISSING = {OPERATORS: "Not counted", FLOPS: "FLOPs", BREAKS: "Graph breaks", INSTRUCTIONS: "Instructions"}
