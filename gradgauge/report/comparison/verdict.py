"""What changed, in a few sentences, before any table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gradgauge.gate.findings import Finding, Outcome
from gradgauge.report.advice import shortlist
from gradgauge.report.blocks import Block, Bullets, Heading, Strong, Text
from gradgauge.report.comparison.advice import other_answers
from gradgauge.report.comparison.exact import exact_changes, figures_among, verdicts_among
from gradgauge.report.comparison.ratios import Change, control_ratios, pairs
from gradgauge.report.comparison.sides import Side
from gradgauge.report.comparison.times import control_in_words
from gradgauge.report.formatting import listed, plural
from gradgauge.report.summary import drifting, failing, state_of

_MOST_NAMED = 4


def verdict_blocks(sides: Sequence[Side]) -> list[Block]:
    """Return what changed from the base to each other run, a line each for times, answers, verdicts and figures."""
    base, *others = sides
    blocks: list[Block] = [Bullets(tuple(_state(side) for side in sides))]
    for other in others:
        blocks += [Heading(f"{other.title} against {base.title}"), Bullets(tuple(_against(base, other)))]
    return blocks


def _state(side: Side) -> Text:
    run = side.run
    wrong = failing(run)
    said = [*state_of(run)]
    said.append(f"{plural(len(wrong), 'thing is', 'things are')} wrong." if wrong else "Nothing failed.")
    said += [f"{moved.subject} did not hold still: {moved.text}." for moved in drifting(run)]
    return (Strong(side.title), f": {' '.join(said)}")


def _against(base: Side, other: Side) -> list[Text]:
    found = pairs(base.run, other.run)
    lines: list[Text] = [
        (Strong("Times: "), _counted(Counter(pair.time_change for pair in found), "time")),
        (
            Strong("Speedups: "),
            _counted(Counter(pair.speedup_change for pair in found if pair.speedup), "speedup"),
        ),
        (Strong("Machine: "), control_in_words(control_ratios(base.run, other.run), other)),
    ]
    lines.append((Strong("Recommendations: "), _answers(other_answers(base.run, other.run))))
    changes = exact_changes(base.run, other.run)
    verdicts, figures = verdicts_among(changes.findings), figures_among(changes.findings)
    if not changes.compared and not changes.findings:
        return [*lines, (Strong("Verdicts and exact figures: "), "none that both runs have.")]
    lines.append((Strong("Verdicts: "), _turned(verdicts, "verdict")))
    lines.append((Strong("Exact figures: "), _turned(figures, "figure")))
    return lines


def _answers(changed: list[str] | None) -> str:
    if changed is None:
        return "none for which both runs have an answer."
    if not changed:
        return "the same answers wherever both runs have one."
    return f"another answer for {listed(shortlist(changed, _MOST_NAMED))}."


def _counted(changes: Counter[Change], noun: str) -> str:
    total = changes.total()
    if not total:
        return f"no {noun} that both runs have."
    told = [
        f"{changes[Change.FASTER]:,} faster",
        f"{changes[Change.SLOWER]:,} slower",
        f"{changes[Change.NONE]:,} without a difference seen",
        *([f"{changes[Change.UNKNOWN]:,} of which nobody can tell"] if changes[Change.UNKNOWN] else []),
    ]
    return f"of {plural(total, noun)}, {listed(told)}."


def _turned(findings: Sequence[Finding], noun: str) -> str:
    worse = sum(finding.outcome in (Outcome.WORSE, Outcome.CANDIDATE_FAILS) for finding in findings)
    better = len(findings) - worse
    if not findings:
        return f"no {noun} changed."
    return f"{plural(worse, noun)} worse, {better:,} better, cases that changed alike counted once."
