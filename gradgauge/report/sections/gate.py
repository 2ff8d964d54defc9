"""What the regression gate found, where it was the gate that made the run folder."""

from __future__ import annotations

from gradgauge.gate.findings import GATE_JSON, Finding, Gate, Outcome, Status
from gradgauge.gate.words import headline, seconds_in_words, settings_in_words, sides_in_words, worst_first
from gradgauge.report.blocks import Block, Bullets, Callout, Fold, Heading, Paragraph, Table, Tone
from gradgauge.report.data import RunData
from gradgauge.report.figures.gate_plot import gate_figure
from gradgauge.report.formatting import plural
from gradgauge.report.questions import Question
from gradgauge.report.tables.gate import findings_table, times_table

TITLE = "Against the baseline"
QUESTION = Question.WRONG
ORDER = 25
SHOWS: frozenset[tuple[str, str]] = frozenset()
_OPEN_ROWS = 12
_MOST_ROWS = 500
_TONES: dict[Status, Tone] = {Status.PASSED: "good", Status.FAILED: "bad", Status.CANNOT_TELL: "warn"}


def render(run: RunData) -> list[Block] | None:
    """Return the headline and what made it so, the times drawn and in a table, then changes, notes and settings."""
    if run.gate is None:
        return None
    gate = run.gate
    blocks: list[Block] = [_headline(gate), *_decisive(gate)]
    if gate.notes:
        blocks += [Heading("To be known"), Bullets(tuple((note,) for note in gate.notes))]
    return [*blocks, *_times(gate), *_changes(gate), *_rest(gate), *_settings(gate)]


def _headline(gate: Gate) -> Callout:
    said = headline(gate)
    return Callout(_TONES[gate.status], f"{said[0].upper()}{said[1:]}", (f"{sides_in_words(gate)}.",))


def _decisive(gate: Gate) -> list[Block]:
    """Return what fails the gate, what it cannot tell, and what somebody accepted."""
    told = [finding for finding in worst_first(gate.findings) if finding.outcome.fails or finding.outcome.is_open]
    ordered = sorted(told, key=lambda finding: (not finding.fails, finding.outcome.fails))
    return _cut(ordered, "finding", findings_table(ordered[:_MOST_ROWS])) if ordered else []


def _times(gate: Gate) -> list[Block]:
    timed = gate.times()
    figure = gate_figure(timed)
    if figure is None:
        return []
    table = _cut(timed, "case", times_table(timed[:_MOST_ROWS]))
    title = f"Times of {plural(len(timed), 'case')}, the slowest first"
    return [Heading("Times"), figure, *(table if len(timed) <= _OPEN_ROWS else [Fold(title, tuple(table))])]


def _changes(gate: Gate) -> list[Block]:
    changed = worst_first([finding for finding in gate.findings if finding.kind == "exact"])
    if not changed:
        return []
    return [Heading("Figures and verdicts"), *_cut(changed, "change", findings_table(changed[:_MOST_ROWS]))]


def _rest(gate: Gate) -> list[Block]:
    """Return what else became of implementations: what is new, renamed, unchanged."""
    others = (Outcome.BASELINE_FAILS, Outcome.RENAMED, Outcome.NEW, Outcome.UNCHANGED)
    found = worst_first([finding for finding in gate.of(*others) if not finding.ratio and finding.kind != "exact"])
    if not found:
        return []
    table = _cut(found, "finding", findings_table(found[:_MOST_ROWS]))
    title = plural(len(found), "implementation")
    return [Heading("New, renamed, unchanged"), *(table if len(found) <= _OPEN_ROWS else [Fold(title, tuple(table))])]


def _settings(gate: Gate) -> list[Block]:
    spent = seconds_in_words(gate)
    sentences = (*settings_in_words(gate.settings), *([f"The gate took {spent}."] if spent else []))
    return [Heading("How it was decided"), Bullets(tuple((sentence,) for sentence in sentences))]


def _cut(findings: list[Finding], noun: str, table: Table) -> list[Block]:
    more = len(findings) - _MOST_ROWS
    rest = Paragraph((f"… and {plural(more, f'more {noun}')} in {GATE_JSON}.",), muted=True)
    return [table, rest] if more > 0 else [table]
