"""On which kinds of input each technique is right: the worst verdict over metrics, dtypes and shapes in one cell."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradgauge.records import Record, Verdict
from gradgauge.report.blocks import Cell, Column, Inline, Mark, Table, mark
from gradgauge.report.faults import ATLAS, Fault, faults_of
from gradgauge.report.formatting import listed, plural, shortened
from gradgauge.report.kinds import SLOPES, kind_of, kinds_of, names_kinds
from gradgauge.report.tables.cells import EMPTY
from gradgauge.report.verdicts import WRONG, quiet, worst_of

_MOST_FAULTS = 3
_MOST_COLUMNS = 6
_LONGEST = 90
_SHORT = 40
_LEFT_OUT = ("value_budget_ulp", "gradient_budget_ulp", "reference_value_ulp", "reference_gradient_ulp", *ATLAS)
_ELSEWHERE = "no kind told"
_LAST = (SLOPES, "smooth", _ELSEWHERE)

_CAPTION = (
    "The worst verdict over metrics, dtypes, shapes and layouts. ✓ right, ✗ wrong, △ wrong and known to be, "
    "∅ could not be judged, — not tried."
)

Techniques = dict[tuple[str, str], list[Record]]


def matrix_tables(here: list[Record]) -> list[Table]:
    """Return kinds × techniques, several tables where one is too wide; nothing of runs that tell no kinds apart."""
    judged = [item for item in here if item.verdict is not Verdict.MEASURED and item.metric not in _LEFT_OUT]
    if not names_kinds(judged):
        return []
    techniques: Techniques = {}
    for record in judged:
        techniques.setdefault((record.case.technique, record.case.device), []).append(record)
    if len(techniques) <= _MOST_COLUMNS:
        return [_table(techniques, _CAPTION)]
    modes = dict.fromkeys(records[0].case.mode for records in techniques.values())
    parts = [dict(part) for mode in modes for part in _parts(techniques, mode)]
    return [_table(part, "" if index else _CAPTION) for index, part in enumerate(parts)]


def _parts(techniques: Techniques, mode: str) -> Iterator[list[tuple[tuple[str, str], list[Record]]]]:
    """Yield the techniques of a mode in parts of about one size, none wider than a page."""
    items = [(key, records) for key, records in techniques.items() if records[0].case.mode == mode]
    size = math.ceil(len(items) / math.ceil(len(items) / _MOST_COLUMNS))
    return (items[start : start + size] for start in range(0, len(items), size))


def _table(techniques: Techniques, caption: str) -> Table:
    several = len({device for _, device in techniques}) > 1
    columns = [Column(name, note=device if several else "") for name, device in techniques]
    kinds = _rows([record for records in techniques.values() for record in records])
    by_column = [_column(records, kinds) for records in techniques.values()]
    rows = tuple((Cell((kind,)), *(column[kind] for column in by_column)) for kind in kinds)
    return Table((Column("Kind of input"), *columns), rows, caption, is_dense=True)


def _rows(judged: list[Record]) -> list[str]:
    found = [*kinds_of(judged), *([_ELSEWHERE] if any(not kind_of(record) for record in judged) else [])]
    return [kind for kind in found if kind not in _LAST] + [kind for kind in _LAST if kind in found]


def _column(records: list[Record], kinds: list[str]) -> dict[str, Cell]:
    """Return a technique's cells by kind. A fault is told in full where it is met first, and by name below."""
    by_kind: dict[str, list[Record]] = {}
    for record in records:
        by_kind.setdefault(kind_of(record) or _ELSEWHERE, []).append(record)
    told: set[tuple[str, str]] = set()
    return {kind: _cell(by_kind[kind], told) if kind in by_kind else EMPTY for kind in kinds}


def _cell(found: list[Record], told: set[tuple[str, str]]) -> Cell:
    worst = worst_of(found)
    if worst.verdict not in WRONG:
        return Cell((Mark(mark(worst.verdict).symbol, "", "good" if worst.verdict is Verdict.PASS else "muted"),))
    wrong = [record for record in found if record.verdict in WRONG]
    faults = faults_of(wrong)
    text: list[Inline] = []
    for metric in dict.fromkeys(fault.metric for fault in faults):
        verdict = worst_of([record for record in wrong if record.metric == metric]).verdict
        text += [*([" "] if text else []), mark(verdict, metric)]
    said = [_said(fault, told) for fault in faults[:_MOST_FAULTS]]
    if len(faults) > _MOST_FAULTS:
        said.append(plural(len(faults) - _MOST_FAULTS, "more fault"))
    wrong_in, tried = _dtypes(wrong), _dtypes(found)
    said += [f"in {listed(wrong_in)} only"] if len(wrong_in) < len(tried) else []
    return Cell(tuple(text), note="\n".join(dict.fromkeys(said)), tone=quiet(worst.verdict))


def _said(fault: Fault, told: set[tuple[str, str]]) -> str:
    key = (fault.metric, fault.name)
    if key in told:
        return fault.name if len(fault.name) <= _SHORT else "as above"
    told.add(key)
    return shortened(fault.what, _LONGEST)


def _dtypes(records: list[Record]) -> list[str]:
    return list(dict.fromkeys(record.case.dtype for record in records))
