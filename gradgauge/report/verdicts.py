"""Of several verdicts, the one that decides, and how loudly it is said."""

from __future__ import annotations

from collections.abc import Sequence

from gradgauge.records import Record, Verdict
from gradgauge.report.blocks import Tone, tone_of

# From what decides a cell to what leaves it open.
_SEVERITY = (
    Verdict.FAIL,
    Verdict.CRASHED,
    Verdict.EXPECTED_FAIL,
    Verdict.NOISY,
    Verdict.PASS,
    Verdict.MEASURED,
    Verdict.UNSUPPORTED,
    Verdict.UNAVAILABLE,
    Verdict.NOT_APPLICABLE,
)
WRONG = (Verdict.FAIL, Verdict.CRASHED, Verdict.EXPECTED_FAIL)
"""Verdicts that speak against a technique, its own word for it or not."""


def worst_of(records: Sequence[Record], *, more_is_better: bool = False) -> Record:
    """Return the record that decides: the severest verdict, then no finite value, then the largest value.

    more_is_better: then the smallest value.
    """
    sign = 1 if more_is_better else -1
    return min(
        records,
        key=lambda record: (_SEVERITY.index(record.verdict), record.value is not None, sign * (record.value or 0)),
    )


def quiet(verdict: Verdict) -> Tone:
    """Return a verdict's tone, nothing being said about what is right."""
    tone = tone_of(verdict)
    return "plain" if tone == "good" else tone
