"""Every record of the run, to be searched, sorted, filtered and copied."""

from __future__ import annotations

from gradgauge.report.blocks import Block, Explorer, Paragraph
from gradgauge.report.data import RunData
from gradgauge.report.explorer import payload
from gradgauge.report.questions import Question

TITLE = "All records"
QUESTION = Question.TRUST
ORDER = 95
SHOWS: frozenset[tuple[str, str]] = frozenset()
_READING = (
    "What the sections above were made of, as it was measured: SI units, full precision. The filter at the top of the "
    "page holds here, too."
)


def render(run: RunData) -> list[Block] | None:
    """Return the table of all records; None where there is none."""
    if not run.records:
        return None
    return [Paragraph((_READING,), muted=True), Explorer(payload(run), len(run.records))]
