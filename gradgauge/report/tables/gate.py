"""What a gate found in tables: findings of any kind, and all times."""

from __future__ import annotations

from collections.abc import Sequence

from gradgauge.gate.findings import MEANINGS, Finding, Outcome
from gradgauge.gate.words import (
    OUTCOMES,
    before_after,
    change,
    change_in_words,
    change_interval,
    limit_in_words,
    subject,
    told_apart,
)
from gradgauge.report import formatting
from gradgauge.report.blocks import Cell, Column, Mark, Table, Tone
from gradgauge.report.tables.cells import EMPTY

_FINDINGS = (
    Column("Outcome"),
    Column("What"),
    Column("Before", numeric=True),
    Column("After", numeric=True),
    Column("Change", numeric=True),
    Column("Why"),
)
_TIMES = (
    Column("Case"),
    Column("Outcome"),
    Column("Before", numeric=True),
    Column("After", numeric=True),
    Column("Change", numeric=True, note="and its interval"),
    Column("Tolerance", numeric=True),
    Column("Pairs", numeric=True, hint="pairs of rounds, and in how many processes they were taken"),
    Column("Detectable", numeric=True, hint="the least slowdown that intervals of this width would have called one"),
)


def outcome_mark(finding: Finding) -> Mark:
    """Return what became of it: a symbol and a word."""
    accepted = ", accepted" if finding.accepted and finding.outcome.fails else ""
    symbol, tone = _sign(finding)
    return Mark(symbol, f"{OUTCOMES[finding.outcome]}{accepted}", tone)


def findings_table(findings: Sequence[Finding], caption: str = "") -> Table:
    """Return a row for each finding of any kind: before, after, and why."""
    return Table(_FINDINGS, tuple(_row(finding) for finding in findings), caption, heads=2)


def times_table(timed: Sequence[Finding]) -> Table:
    """Return a row for each finding that has a ratio, in the order given; the axes that all share in the caption."""
    shown = [finding for finding in timed if finding.ratio]
    common, names = told_apart(shown)
    return Table(_TIMES, tuple(map(_time_row, names, shown)), common)


def _row(finding: Finding) -> tuple[Cell, ...]:
    held = finding.ratio is not None or (finding.baseline, finding.candidate) != (None, None)
    sides = tuple(Cell((side,)) for side in before_after(finding)) if held else (EMPTY, EMPTY)
    said = finding.detail or ("" if held else MEANINGS[finding.outcome])
    why = "; ".join(filter(None, (said, finding.accepted and f"accepted: {finding.accepted}")))
    return (
        Cell((outcome_mark(finding),)),
        Cell((subject(finding),), note=finding.suite),
        *sides,
        _change(finding),
        Cell((why,)) if why else EMPTY,
    )


def _change(finding: Finding) -> Cell:
    if finding.ratio is None:
        said = change_in_words(finding)
        return Cell((said,), tone=_sign(finding)[1]) if said else EMPTY
    interval = change_interval(finding.ratio) or "no interval"
    note = f"{interval} against {limit_in_words(finding.ratio)}"
    return Cell((change(finding.ratio.value),), note=note, tone=_sign(finding)[1])


def _time_row(name: str, finding: Finding) -> tuple[Cell, ...]:
    ratio = finding.ratio
    assert ratio is not None
    before, after = before_after(finding)
    least = ratio.smallest_detectable
    return (
        Cell((name,), note=finding.detail),
        Cell((outcome_mark(finding),)),
        Cell((before,)),
        Cell((after,)),
        Cell((change(ratio.value),), note=change_interval(ratio) or "no interval", tone=_sign(finding)[1]),
        Cell((limit_in_words(ratio),)),
        Cell((f"{ratio.pairs:,}",), note=f"in {formatting.plural(ratio.processes, 'process', 'processes')}"),
        EMPTY if least is None else Cell((formatting.percent(least),)),
    )


def _sign(finding: Finding) -> tuple[str, Tone]:
    if finding.fails:
        return "✗", "bad"
    if finding.outcome.fails:
        return "△", "warn"
    if finding.outcome.is_open:
        return "?", "warn"
    if finding.outcome in (Outcome.IMPROVEMENT, Outcome.BETTER):
        return "✓", "good"
    return "·", "plain"
