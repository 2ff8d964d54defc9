"""What a gate found, as the terminal shows it (no torch)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from gradgauge.gate.findings import Finding, Gate, Outcome, Status
from gradgauge.gate.words import (
    OUTCOMES,
    before_after,
    change,
    change_in_words,
    change_interval,
    finding_line,
    headline,
    limit_in_words,
    one_line,
    sides_in_words,
    subject,
    told_apart,
    worst_first,
)
from gradgauge.report.formatting import plural, shortened

MOST_ROWS = 30
_FEW = 3
_NARROWEST = 18
_LONGEST_DETAIL = 240
_STYLES = {Status.PASSED: "bold green", Status.FAILED: "bold red", Status.CANNOT_TELL: "bold yellow"}


def gate_parts(gate: Gate, most: int = MOST_ROWS) -> Iterator[RenderableType]:
    """Yield what the terminal shows: times with the worst first, changes, the rest, the notes, and the headline last.

    most: rows of a table. Where the gate passed, no more than the three worst times.
    """
    timed, changed = gate.times(), exact_changes(gate)
    if timed:
        yield times_table(timed, _FEW if gate.status is Status.PASSED else most)
    if changed:
        yield exact_table(changed, most)
    others = worst_first([finding for finding in gate.findings if _is_told(finding)])
    for finding in others[:most]:
        yield Text(finding_line(finding), style=_style(finding))
    if len(others) > most:
        yield Text(f"… and {plural(len(others) - most, 'more finding')} in gate.json", style="dim")
    for note in gate.notes:
        yield Text(f"note: {one_line(note)}")
    yield Text(sides_in_words(gate), style="dim")
    yield Text(headline(gate), style=_STYLES[gate.status])


def times_table(timed: Sequence[Finding], most: int = MOST_ROWS) -> Table:
    """Return a row for each of the first `most` findings with a ratio, and how many more there are.

    limit: the tolerance, or the floor where that is more. pairs: of rounds, over the processes they come from.
    """
    common, names = told_apart(timed[:most])
    table = _table(("case", False), ("change", True), ("limit", True), ("pairs", True), ("", False))
    table.title = Text(common) if common else None
    for name, finding in zip(names, timed[:most], strict=True):
        ratio = finding.ratio
        if ratio is None:
            raise ValueError(f"{finding_line(finding)}: no time, so no row among times")
        figures = f"{change(ratio.value)} {change_interval(ratio)}".strip()
        pairs = f"{ratio.pairs}/{ratio.processes}"
        _row(table, name, figures, limit_in_words(ratio), pairs, _outcome(finding))
    return _with_rest(table, len(timed) - most, "more case")


def exact_table(changed: Sequence[Finding], most: int = MOST_ROWS) -> Table:
    """Return a row for each of the first `most` figures and verdicts that changed, and how many more there are.

    Why it is so stands below what it is about.
    """
    table = _table(("figure or verdict", False), ("before", True), ("after", True), ("change", True), ("", False))
    for finding in changed[:most]:
        why = shortened(one_line(finding.detail), _LONGEST_DETAIL)
        _row(
            table,
            "\n".join(filter(None, (subject(finding), why))),
            *before_after(finding),
            change_in_words(finding),
            _outcome(finding),
        )
    return _with_rest(table, len(changed) - most, "more change")


def exact_changes(gate: Gate) -> list[Finding]:
    """Return the figures and verdicts that changed, those that fail the gate first."""
    found = [finding for finding in gate.findings if finding.kind == "exact"]
    return sorted(found, key=lambda finding: not finding.fails)


def _table(*columns: tuple[str, bool]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", title_justify="left")
    for index, (title, numeric) in enumerate(columns):
        table.add_column(
            title,
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=title == "change",
            min_width=None if index else _NARROWEST,
        )
    return table


def _row(table: Table, *cells: str | Text) -> None:
    # Text, since rich would read `[bold]` in a name as markup.
    table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))


def _with_rest(table: Table, rest: int, noun: str) -> Table:
    if rest > 0:
        table.caption = Text(f"… and {plural(rest, noun)} in gate.json")
        table.caption_justify = "left"
    return table


def _outcome(finding: Finding) -> Text:
    accepted = ", accepted" if finding.accepted else ""
    return Text(f"{OUTCOMES[finding.outcome]}{accepted}", style=_style(finding))


def _style(finding: Finding) -> str:
    if finding.fails:
        return "bold red"
    return "yellow" if finding.outcome.is_open or finding.outcome.fails else ""


def _is_told(finding: Finding) -> bool:
    """Return whether a reader must know of it, and no table shows it."""
    told = finding.outcome.fails or finding.outcome.is_open or finding.outcome is Outcome.BASELINE_FAILS
    return told and not finding.ratio and finding.kind != "exact"
