"""Where can each technique be used? Every behaviour that was tried, and the reason wherever it is not right."""

from __future__ import annotations

from gradgauge.report.behavior import LEGEND, SUITE, Matrix, matrices, questions
from gradgauge.report.blocks import Block, Code, Definitions, Fold, Heading, Paragraph, Text
from gradgauge.report.data import RunData
from gradgauge.report.discovery import EVERY
from gradgauge.report.formatting import listed
from gradgauge.report.questions import Question
from gradgauge.report.tables.behavior import matrix_table, reasons_table, remarks

TITLE = "Where each can be used"
QUESTION = Question.GRADIENT
ORDER = 64
SHOWS = frozenset({(SUITE, EVERY)})
_READING = (
    "Unsupported is what says itself that it cannot be done; wrong is what gives another result than it should, or "
    "breaks. Neither changes what the summary advises on speed."
)
_LEGEND = f"{LEGEND}; a number is that of the reason below the table."


def render(run: RunData) -> list[Block] | None:
    """Return what each check asks, and for each function the matrix and its reasons."""
    found = {function: matrices(run, function) for function in run.function_names()}
    if not any(found.values()):
        return None
    asks = dict(questions(run))
    items: list[tuple[Text, Text]] = [((Code(name),), (question or "not told",)) for name, question in asks.items()]
    blocks: list[Block] = [Paragraph((_READING,)), Paragraph((_LEGEND,), muted=True)]
    blocks.append(Fold("What each check asks", (Definitions(tuple(items)),)))
    for function, here in found.items():
        for matrix in here:
            blocks += [Heading(_title(function, here, matrix)), *_matrix(run, matrix, asks)]
    return blocks


def _title(function: str, here: list[Matrix], matrix: Matrix) -> str:
    return f"{function} · {matrix.device}" if len(here) > 1 and matrix.device else function


def _matrix(run: RunData, matrix: Matrix, asks: dict[str, str]) -> list[Block]:
    blocks: list[Block | None] = [
        matrix_table(matrix, asks) if matrix.asked else None,
        reasons_table(matrix),
        Fold("What does not apply", (remarks(matrix.does_not_apply),)) if matrix.does_not_apply else None,
        Fold("Worth knowing of what is right", (remarks(matrix.remarks),)) if matrix.remarks else None,
    ]
    said = [f"Left out, as they apply to none: {listed(list(matrix.idle))}."] if matrix.idle else []
    entry = run.description.functions.get(matrix.function)
    missing = matrix.lacking(list(entry.implementations) if entry else [])
    said += [f"Not measured: {listed(missing)}."] if missing else []
    if said:
        blocks.insert(1, Paragraph((" ".join(said),), muted=True))
    return [block for block in blocks if block]
