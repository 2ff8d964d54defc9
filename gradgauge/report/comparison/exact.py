"""What needs no clock: verdicts that changed, figures that count and changed, and what one run alone has."""

from __future__ import annotations

from collections.abc import Sequence

from gradgauge.cases import Case
from gradgauge.gate.exact import Exact, compare_exact
from gradgauge.gate.faults import is_fault
from gradgauge.gate.findings import Finding, Outcome
from gradgauge.gate.recorded import Recorded
from gradgauge.gate.words import before_after, change_in_words, subject
from gradgauge.records import Metric, Record
from gradgauge.report.blocks import Block, Cell, Column, Fold, Heading, Paragraph, Table, Tone
from gradgauge.report.comparison.sides import Side
from gradgauge.report.data import RunData
from gradgauge.report.formatting import plural, shortened

_OPEN_ROWS = 12
_MOST_ROWS = 150
_LONGEST = 220
_TONES: dict[Outcome, Tone] = {Outcome.WORSE: "bad", Outcome.CANDIDATE_FAILS: "bad", Outcome.BETTER: "good"}
_READING = (
    "Compared label by label, as the gate does: verdicts, and figures that count (bytes, operators, allocations …) and "
    "have a direction. Errors in ulps move with every rounding and are compared by their verdicts alone. "
    "One row stands for all cases that changed alike."
)


def exact_blocks(sides: Sequence[Side]) -> list[Block]:
    """Return the changed verdicts and figures of each run against the base."""
    base, *others = sides
    blocks: list[Block] = [Paragraph((_READING,), muted=True)]
    for other in others:
        found = exact_changes(base.run, other.run)
        if len(others) > 1:
            blocks.append(Heading(f"{other.name} against {base.name}"))
        for title, findings in (
            ("verdict", verdicts_among(found.findings)),
            ("figure", figures_among(found.findings)),
        ):
            blocks.append(Heading(f"{title.capitalize()}s", level=4))
            told = plural(len(findings), f"{title} changed", f"{title}s changed")
            compared = f" among {plural(found.compared, 'figure or verdict', 'figures and verdicts')} compared."
            blocks.append(Paragraph((f"{told if findings else f'No {title} changed'}{compared}",)))
            blocks += rows_within(_table(base, other, findings)) if findings else []
    return blocks


def one_sided_blocks(sides: Sequence[Side]) -> list[Block]:
    """Return how many cases one run of a pair has and the other lacks, by suite and technique."""
    base, *others = sides
    blocks: list[Block] = []
    for other in others:
        for here, there in ((base, other), (other, base)):
            missing = _cases(here.run) - _cases(there.run)
            if missing:
                title = f"{plural(len(missing), 'case')} of {here.name} that {there.name} lacks"
                blocks.append(Fold(title, (*rows_within(_missing_table(missing)),)))
    return blocks or [Paragraph(("All runs have the same cases.",))]


def exact_changes(base: RunData, other: RunData) -> Exact:
    """Compare the exact metrics of the cases that both runs have, and what crashed or could not run at all."""
    keys = [{_key(record) for record in run.records} for run in (base, other)]
    both = keys[0] & keys[1]
    return compare_exact(_recorded(base, both), _recorded(other, both))


def verdicts_among(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that are about verdicts."""
    return [finding for finding in findings if not _is_figure(finding)]


def figures_among(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that are about figures."""
    return [finding for finding in findings if _is_figure(finding)]


def rows_within(table: Table) -> list[Block]:
    """Return a table's first rows, more of them folded, and how many are left out."""
    more = table.rows[_OPEN_ROWS:_MOST_ROWS]
    left = len(table.rows) - _MOST_ROWS
    blocks: list[Block] = [Table(table.columns, table.rows[:_OPEN_ROWS], table.caption, table.heads)]
    blocks += [Fold(plural(len(more), "more row"), (Table(table.columns, more, heads=table.heads),))] if more else []
    blocks += [Paragraph((f"{plural(left, 'row is', 'rows are')} left out: --format csv has them all.",))] * (left > 0)
    return blocks


def _recorded(run: RunData, both: set[tuple[str, Case, str]]) -> Recorded:
    kept = tuple(record for record in run.records if _key(record) in both or is_fault(record))
    unnamed = {record.metric: Metric(record.metric, record.unit, None, exact=False) for record in kept}
    return Recorded(kept, {**unnamed, **run.description.metrics})


def _key(record: Record) -> tuple[str, Case, str]:
    return record.suite, record.case, record.metric


def _is_figure(finding: Finding) -> bool:
    return any(isinstance(value, int | float) for value in (finding.baseline, finding.candidate))


def _table(base: Side, other: Side, findings: Sequence[Finding]) -> Table:
    columns = (
        Column("What"),
        Column(base.name, numeric=True),
        Column(other.name, numeric=True),
        Column("Change", numeric=True),
        Column("Why"),
    )
    return Table(columns, tuple(_row(finding) for finding in findings))


def _row(finding: Finding) -> tuple[Cell, ...]:
    before, after = before_after(finding)
    return (
        Cell((subject(finding),)),
        Cell((before,)),
        Cell((after,), tone=_TONES.get(finding.outcome, "plain")),
        Cell((change_in_words(finding) or ("worse" if finding.outcome is Outcome.WORSE else "better"),)),
        Cell((shortened(finding.detail, _LONGEST),)),
    )


def _cases(run: RunData) -> set[tuple[str, Case]]:
    return {(record.suite, record.case) for record in run.records if record.case.function}


def _missing_table(missing: set[tuple[str, Case]]) -> Table:
    grouped: dict[tuple[str, str, str, str], list[Case]] = {}
    for suite, case in sorted(missing):
        where = " · ".join(filter(None, (case.device, case.dtype)))
        grouped.setdefault((suite, case.function, case.technique.strip(" ·"), where), []).append(case)
    columns = (Column("Suite"), Column("Function"), Column("Technique"), Column("Place"), Column("Cases", numeric=True))
    rows = tuple(
        (*(Cell((text or "—",)) for text in key), Cell((f"{len(cases):,}",), note=_shapes(cases)))
        for key, cases in grouped.items()
    )
    return Table(columns, rows, heads=3)


def _shapes(cases: list[Case]) -> str:
    shapes = [shape for shape in dict.fromkeys(case.shape for case in cases) if shape]
    return shapes[0] if len(shapes) == 1 else plural(len(shapes), "shape") if shapes else ""
