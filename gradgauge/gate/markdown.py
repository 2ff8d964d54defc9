"""What a gate found as Markdown: a comment on a pull request, and the summary of a step (no torch)."""

from __future__ import annotations

from collections.abc import Sequence

from gradgauge.gate.findings import MEANINGS, Finding, Gate, Status
from gradgauge.gate.ratio_plot import ratio_plot
from gradgauge.gate.words import (
    OUTCOMES,
    before_after,
    change_in_words,
    headline,
    limit_in_words,
    seconds_in_words,
    settings_in_words,
    sides_in_words,
    subject,
    worst_first,
)
from gradgauge.report.markdown_text import escaped, fenced

MARKER = "<!-- gradgauge-gate -->"
MOST_CHARACTERS = 60_000
"""GitHub refuses a comment of more than 65,536."""
_LONGEST_CELL = 300
_SYMBOLS = {Status.PASSED: "✅", Status.FAILED: "❌", Status.CANNOT_TELL: "❔"}


def markdown(gate: Gate) -> str:
    """Return the comment: short where the gate passed, what fails it first where it failed.

    Its first line is `MARKER`, by which a later run finds the comment that it replaces. It is never longer than GitHub
    takes: rows are left out, and it says how many.
    """
    page = _Page(MOST_CHARACTERS)
    page.add(f"{MARKER}\n### {_SYMBOLS[gate.status]} gradgauge gate {escaped(headline(gate))}\n")
    page.add(f"Compared: {escaped(sides_in_words(gate))}.\n")
    told = [finding for finding in worst_first(gate.findings) if finding.outcome.fails or finding.outcome.is_open]
    page.rows("**What fails it**\n", _HEAD, [_row(finding) for finding in told if finding.fails])
    page.rows("**Still open**\n", _HEAD, [_row(finding) for finding in told if finding.outcome.is_open])
    page.rows(
        "**Accepted**\n", _HEAD, [_row(finding) for finding in told if finding.outcome.fails and finding.accepted]
    )
    page.rows("", "", [f"- Note: {escaped(note)}" for note in gate.notes])
    plot = fenced(ratio_plot(gate.times()))
    if gate.status is Status.PASSED:
        _fold(page, "How it was decided, and all times", plot, gate)
    else:
        page.add(plot)
        _fold(page, "Everything else", "", gate)
    return page.text()


def _fold(page: _Page, title: str, plot: str, gate: Gate) -> None:
    """Add what a reader opens when wanted: the plot, the settings, and all that neither fails the gate nor is open."""
    closing = "</details>\n"
    page.left -= len(closing) + 1
    page.add(f"<details><summary>{title}</summary>\n")
    page.add(plot)
    page.add(f"{' '.join(settings_in_words(gate.settings))}\n")
    page.add(f"It took {escaped(seconds_in_words(gate))}.\n" if gate.seconds else "")
    rest = [finding for finding in gate.findings if not (finding.outcome.fails or finding.outcome.is_open)]
    page.rows("", _HEAD, [_row(finding) for finding in worst_first(rest)])
    page.left += len(closing) + 1
    page.add(closing)


class _Page:
    """Parts of a page of at most so many characters."""

    def __init__(self, most: int) -> None:
        self.left = most
        self._parts: list[str] = []

    def add(self, part: str) -> None:
        """Add a part where there is room for it."""
        if part and len(part) < self.left:
            self._parts.append(part)
            self.left -= len(part) + 1

    def rows(self, title: str, head: str, rows: Sequence[str]) -> None:
        """Add a title, a head and rows, as many as half of what is left holds, and say how many were left out."""
        if not rows:
            return
        top = [part for part in (title, head) if part]
        room = self.left // 2 - sum(len(part) + 1 for part in top) - len(_left_out(len(rows)))
        kept: list[str] = []
        for row in rows:
            room -= len(row) + 1
            if room < 0:
                break
            kept.append(row)
        lines = [*top, *kept] if kept else [title] * bool(title)
        missing = len(rows) - len(kept)
        self.add("\n".join([*lines, *([_left_out(missing)] if missing else [])]) + "\n")

    def text(self) -> str:
        """Return the page."""
        return "\n".join(self._parts)


def _left_out(rows: int) -> str:
    return f"\n… and {rows:,} more in gate.json, for which there is no room here."


_HEAD = "| | what | before | after | change | tolerance | why |\n|---|---|--:|--:|--:|--:|---|"


def _row(finding: Finding) -> str:
    limit = limit_in_words(finding.ratio) if finding.ratio else ""
    held = finding.ratio is not None or (finding.baseline, finding.candidate) != (None, None)
    before, after = before_after(finding) if held else ("", "")
    cells = (OUTCOMES[finding.outcome], subject(finding), before, after, change_in_words(finding), limit, _why(finding))
    return f"| {' | '.join(escaped(cell, _LONGEST_CELL) for cell in cells)} |"


def _why(finding: Finding) -> str:
    if finding.accepted:
        return f"{finding.detail}{'; ' if finding.detail else ''}accepted: {finding.accepted}"
    if finding.detail or finding.ratio or finding.kind == "exact":
        return finding.detail
    return MEANINGS[finding.outcome]
