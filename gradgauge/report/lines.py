"""A run in at most twenty lines of a terminal: is anything wrong, and what should I use?"""

from __future__ import annotations

from collections.abc import Iterator

from gradgauge.cases import REFERENCE
from gradgauge.report.advice import MOST_NAMES, Answer, answers, shortlist
from gradgauge.report.data import RunData
from gradgauge.report.footprints import Footprints
from gradgauge.report.formatting import listed, plural, shortened
from gradgauge.report.places import Place
from gradgauge.report.ranking import Recommendation, recommendations
from gradgauge.report.summary import (
    drifting,
    expected_in_short,
    failing,
    instead_of_times,
    not_run,
    state_of,
    unadvised,
)
from gradgauge.report.tables.cells import ABOUT

MAX_LINES = 20
_MAX_PROBLEM_LINES = 7
_FEWEST_ADVICE_LINES = 8
_MAX_LENGTH = 400
_MOST_SUBJECTS = 6
_NOISY = f"{ABOUT}noisy: the interval is wider than asked."


def terminal_lines(run: RunData) -> list[str]:
    """Return at most 20 lines: whether anything is wrong, then what to use."""
    advice = [_one_line(line) for line in _advice(run)]
    head = _cut([_one_line(line) for line in _head(run)], MAX_LINES - min(len(advice), _FEWEST_ADVICE_LINES))
    if head and any(ABOUT in line for line in advice):
        head = [*head[:-1], f"{head[-1]} {_NOISY}"]
    return [*head, *_cut(advice, MAX_LINES - len(head))]


def _head(run: RunData) -> Iterator[str]:
    yield from state_of(run)
    for moved in drifting(run):
        yield f"{ABOUT}{moved.subject} did not hold still: {moved.text}; times may differ by as much."
    wrong = failing(run)
    if wrong:
        yield f"{plural(len(wrong), 'thing is', 'things are')} wrong:"
        yield from _cut([f"  ✗ {remark.subject}: {remark.text}" for remark in wrong], _MAX_PROBLEM_LINES)
    elif any(record.value is not None for record in run.records):
        yield f"Nothing failed in {plural(len(run.records), 'record')}."
    expected = expected_in_short(run)
    if expected:
        yield f"Disagree as they say themselves: {_some(expected, _MOST_SUBJECTS)}."
    skipped = {remark.subject for remark in not_run(run)}
    if skipped:
        yield f"Could not run, or not all of it: {_some(sorted(skipped), _MOST_SUBJECTS)}."
    if run.description.left_out:
        count = len(run.description.left_out)
        yield f"{plural(count, 'group of cases was', 'groups of cases were')} left out; the report says why."


def _advice(run: RunData) -> list[str]:
    found = recommendations(run)
    memory = Footprints.of(run)
    by_clock: dict[tuple[Place, str], list[Answer]] = {}
    for answer in answers(found):
        by_clock.setdefault((answer.place.whatever_clock, answer.purpose), []).append(answer)
    advice = [*unadvised(run), *(line for together in by_clock.values() for line in _lines(together, memory))]
    return advice or [sentence for sentence in (instead_of_times(run),) if sentence]


def _lines(together: list[Answer], memory: Footprints) -> list[str]:
    """Return a line for each clock of an accelerator; one where both say the same of the same sizes."""
    told = [(answer, _told(answer, memory)) for answer in together]
    if len(told) > 1 and len({text for _, text in told}) == 1:
        answer, text = told[0]
        return [f"{_subject(answer, answer.place.whatever_clock.title)}: by either clock, {text}"]
    return [f"{_subject(answer, answer.place.finding_title)}: {text}" for answer, text in told]


def _subject(answer: Answer, where: str) -> str:
    return f"{answer.place.function}, {answer.purpose} ({where}, {answer.shapes})"


def _told(answer: Answer, memory: Footprints) -> str:
    """Return the finding, range by range where sizes differ."""
    parts = list(answer.parts())
    if len(parts) == 1:
        return _finding(answer.advice[0], memory, MOST_NAMES)
    return "; ".join(f"{where}, {_finding(advice, memory, MOST_NAMES - 1)}" for where, advice in parts)


def _finding(advice: Recommendation, memory: Footprints, most_names: int) -> str:
    names = [f"{ABOUT if name in advice.noisy else ''}{name}" for name in advice.names]
    told = advice.is_claim and advice.speedups and advice.names[0] != f"{REFERENCE} · eager"
    speed = f", {advice.speedups} the speed of the reference" if told else ""
    caveat = f" (agreement not checked: {_some(list(advice.unchecked), MOST_NAMES)})" if advice.unchecked else ""
    kept = {one.text for one in memory.of_advice(advice)} if advice.purpose == "training" else set()
    cost = f" ({kept.pop()}, per element)" if len(kept) == 1 else ""
    return f"{advice.said_of(shortlist(names, most_names))}{speed}{cost}{caveat}"


def _some(names: list[str], most: int) -> str:
    return listed(shortlist(names, most))


def _cut(lines: list[str], limit: int) -> list[str]:
    if len(lines) <= limit:
        return lines
    return [*lines[: limit - 1], f"… and {plural(len(lines) - limit + 1, 'more line')}: see the report."]


def _one_line(line: str) -> str:
    return shortened(" ⏎ ".join(line.splitlines()), _MAX_LENGTH)
