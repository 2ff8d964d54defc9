"""What sort of input a record was judged on. The list is open: a name that is not known here is shown as it is."""

from __future__ import annotations

from collections.abc import Iterable

from gradgauge.records import Record

SLOPES = "slopes at kinks"
"""Where slopes taken at kinks stand among the kinds: their records name a kink instead."""

_MEANINGS = {
    "random": "drawn at random on each piece of the function",
    "kinks": "where pieces meet, and the numbers next to that",
    "edges": "zeros, extremes and what the function is delicate at",
    "nonfinite": "±inf and NaN",
    "repeated cotangent": "one number with stride 0, as sum().backward() sends it",
    "interleaved": "all forwards, then all backwards",
    "partial": "not every input asks for a gradient",
    "smooth": "gradcheck and gradgradcheck, in float64 away from kinks",
}


def kind_of(record: Record) -> str:
    """Return the kind that a record names; nothing where it names none, as in older runs."""
    return record.labels.get("kind", "") or (SLOPES if "kink" in record.labels else "")


def kinds_of(records: Iterable[Record]) -> list[str]:
    """Return the kinds that records name, each once, in the order in which they were filed."""
    return [kind for kind in dict.fromkeys(map(kind_of, records)) if kind]


def names_kinds(records: Iterable[Record]) -> bool:
    """Whether any of the records says on which sort of input it was judged."""
    return any("kind" in record.labels for record in records)


def meanings_of(kinds: Iterable[str]) -> list[tuple[str, str]]:
    """Return the kinds whose names do not say what they are, each with what it means.

    >>> meanings_of(["sliced input", "interleaved"])
    [('interleaved', 'all forwards, then all backwards')]
    """
    return [(kind, _MEANINGS[kind]) for kind in kinds if kind in _MEANINGS]
