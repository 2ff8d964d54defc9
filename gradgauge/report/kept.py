"""The ledger: what each technique keeps for its backward, storage by storage, and who keeps least."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from gradgauge.cases import Case, broadcast_elements, parse_shapes
from gradgauge.records import Record
from gradgauge.report.agreement import standings
from gradgauge.report.blocks import Text
from gradgauge.report.data import RunData
from gradgauge.report.formatting import listed, size
from gradgauge.report.techniques import coded, together

SAVED, EXTRA, KEPT = "saved_bytes", "saved_extra_bytes", "kept_bytes"
METRICS = (SAVED, EXTRA, KEPT)
ROLES = {
    "input": "alive anyway",
    "output": "alive while the next layer needs it",
    "intermediate": "kept for the backward alone",
    "elsewhere": "so the allocator says; no tensor that can be reached",
}
_KEPT_BY = "kept by "


@dataclass(frozen=True)
class Kept:
    """What one technique keeps at one shape. extra_bytes: None in older runs; elements: of the output, if known."""

    saved: Record
    extra_bytes: float | None
    entries: tuple[Record, ...]
    elements: int | None

    @property
    def case(self) -> Case:
        """Return the case of the forward that keeps it."""
        return self.saved.case

    @cached_property
    def by_role(self) -> dict[str, float]:
        """Return the bytes of each role that occurs, in the order of ROLES."""
        found: Counter[str] = Counter()
        for entry in self.entries:
            found[entry.labels.get("role", "")] += int(entry.value or 0)
        return {role: found[role] for role in (*ROLES, *sorted(found.keys() - ROLES.keys())) if found[role]}

    def per_element(self, value_bytes: float) -> str:
        """Return bytes for one element of the output; of all where nobody knows how many there are."""
        return size(value_bytes / self.elements) if self.elements else size(value_bytes)

    def tensors(self, role: str) -> str:
        """Return what is kept in a role: `2 × float32 + 2 × bool`; a shape only where it is not the output's size."""
        names = Counter(self._tensor(entry) for entry in self.entries if entry.labels.get("role") == role)
        return " + ".join(f"{count} × {name}" if count > 1 else name for name, count in names.items())

    def keepers(self, role: str) -> list[str]:
        """Return who keeps what is kept in a role, each once."""
        kept = (entry.detail for entry in self.entries if entry.labels.get("role") == role)
        return list(dict.fromkeys(told.removeprefix(_KEPT_BY) for told in kept if told.startswith(_KEPT_BY)))

    def _tensor(self, entry: Record) -> str:
        dtype, _, shape = entry.labels.get("tensor", "").partition(" ")
        if not dtype:
            return size(entry.value or 0)
        return f"{dtype} of {shape}" if shape and (self.elements is None or _count(shape) != self.elements) else dtype


def kept_at_largest(run: RunData, here: list[Record]) -> list[Kept]:
    """Return what each technique of a place keeps at the largest shape, in the order in which they were measured."""
    saved = [record for record in here if record.metric == SAVED]
    elements = {record.case.shape: run.elements(record.case) for record in saved if record.value is not None}
    if not elements:
        return []
    largest = max(elements, key=lambda shape: elements[shape] or 0)
    extra = {record.case: record.value for record in here if record.metric == EXTRA}
    entries: dict[Case, list[Record]] = {}
    for record in here:
        if record.metric == KEPT:
            entries.setdefault(record.case, []).append(record)
    return [
        Kept(record, extra.get(record.case), tuple(entries.get(record.case, ())), elements[largest])
        for record in saved
        if record.case.shape == largest
    ]


def who_keeps_least(run: RunData, found: list[Kept]) -> Text:
    """Return who keeps least and at what extra, in a sentence or two; of those that nothing stands against."""
    known = [kept for kept in found if kept.saved.value is not None and kept.extra_bytes is not None]
    standing = standings(run)
    agreeing = [
        kept
        for kept in known
        if (own := standing.get((kept.case.function, kept.case.technique))) is None or own.may_be_recommended
    ]
    if not agreeing:
        return ()
    names = [kept.case.technique for kept in known]
    of = "Of those that agree with the definition, least" if len(agreeing) < len(known) else "Least"
    least = min(agreeing, key=lambda kept: (kept.saved.value, kept.extra_bytes))
    leaders = together([kept.case.technique for kept in _alike(least, agreeing)], names)
    if len(_alike(least, agreeing)) == len(known) > 1:
        return (f"All keep as much for the backward at {least.case.shape}: {_cost(least)}.",)
    first = (f"{of} is kept for the backward by ", *coded(leaders), f" at {least.case.shape}: {_cost(least)}.")
    lean = min(agreeing, key=lambda kept: (kept.extra_bytes, kept.saved.value))
    return first if lean.extra_bytes == least.extra_bytes else (*first, *_lean(_alike(lean, agreeing), names))


def _alike(one: Kept, others: list[Kept]) -> list[Kept]:
    figures = one.saved.value, one.extra_bytes
    return [other for other in others if (other.saved.value, other.extra_bytes) == figures]


def _cost(kept: Kept) -> str:
    if not kept.saved.value:
        return "nothing at all"
    share = kept.extra_bytes or 0
    extra = "all" if share == kept.saved.value else kept.per_element(share) if share else "none"
    each = " per element of the output" if kept.elements else ""
    return f"{kept.per_element(kept.saved.value)}{each}, {extra} of it extra"


def _lean(alike: list[Kept], names: list[str]) -> Text:
    lean = alike[0]
    who = coded(together([kept.case.technique for kept in alike], names))
    whole = lean.per_element(lean.saved.value or 0)
    if lean.extra_bytes:
        return (" Least extra is kept by ", *who, f": {lean.per_element(lean.extra_bytes)} of {whole}.")
    roles = [f"the {role}'s" for role in ROLES if any(role in kept.by_role for kept in alike)]
    whose = f", {listed(roles, 'or')} own" if roles else ""
    return (" Nothing extra is kept by ", *who, f": {whole}{whose}.")


def _count(shape: str) -> int | None:
    try:
        return broadcast_elements(parse_shapes(shape, 1))
    except ValueError:
        return None
