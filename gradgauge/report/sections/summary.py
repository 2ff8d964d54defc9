"""What should I use, and is anything wrong?"""

from __future__ import annotations

from gradgauge.report.advice import by_both_clocks
from gradgauge.report.agreement import standings
from gradgauge.report.blocks import Block, Bullets, Callout, Cell, Code, Column, Paragraph, Strong, Table, Text
from gradgauge.report.data import RunData
from gradgauge.report.formatting import listed, plural
from gradgauge.report.labels import explained
from gradgauge.report.ranking import Recommendation, recommendations
from gradgauge.report.summary import (
    Remark,
    disagreeing_as_expected,
    drifting,
    failing,
    instead_of_times,
    misbehaving_as_expected,
    not_run,
    unadvised,
    unchecked,
)
from gradgauge.report.tables.cells import EMPTY

TITLE = "Summary"
ORDER = 10
SHOWS: frozenset[tuple[str, str]] = frozenset()
_SUBJECT = (Column("Function"), Column("For"), Column("Shapes"))
_CLOCKS = {"device": "By device time", "wall": "As a Python caller waits"}
_NO_BREAK = "\u00a0"
_DRIFT_MEANS = (
    "Times from different moments of this run may differ by as much for no fault of the code; speedups, from rounds "
    "taken in turns, suffer less. Measure again on a machine that does nothing else."
)


def render(run: RunData) -> list[Block]:
    """Return whether the machine moved and what is wrong first, then what to use, then what to know about the rest."""
    moved, wrong = drifting(run), failing(run)
    blocks: list[Block] = []
    if moved:
        blocks.append(Callout("warn", "The machine did not hold still", (_DRIFT_MEANS,), _items(moved)))
    if wrong:
        blocks.append(Callout("bad", "Something is wrong", items=_items(wrong)))
    blocks += _advice(recommendations(run), unadvised(run), instead_of_times(run))
    expected = disagreeing_as_expected(run)
    if expected:
        title = "Known to disagree with the definition, and never recommended"
        blocks.append(Callout("warn", title, items=_items(expected)))
    misbehaving = misbehaving_as_expected(run)
    if misbehaving:
        blocks.append(Callout("warn", "Known to be wrong in some uses", items=_items(misbehaving)))
    unjudged = unchecked(run)
    if unjudged:
        text = (f"No check of gradients judged {_some(unjudged, run)} in this run.",)
        blocks.append(Callout("warn", "Agreement unknown", text=text))
    skipped: list[Text] = list(_items(not_run(run)))
    if run.description.left_out:
        count = plural(len(run.description.left_out), "group of cases was", "groups of cases were")
        skipped.append((f"{count} left out: see “What did not run”.",))
    if skipped:
        blocks.append(Callout("plain", "Not in this comparison", items=tuple(skipped)))
    if not blocks:
        blocks.append(Paragraph(("The run holds nothing to draw a conclusion from.",)))
    return blocks


def _some(unjudged: list[str], run: RunData) -> str:
    everything = set(unjudged) >= {f"{function}: {technique}" for function, technique in standings(run) if function}
    return "any technique" if everything and len(unjudged) > 1 else listed(unjudged)


def _items(remarks: list[Remark]) -> tuple[Text, ...]:
    return tuple((Code(remark.subject), f" — {remark.text}") for remark in remarks)


def _advice(found: list[Recommendation], silent: list[str], instead: str) -> list[Block]:
    unsaid: list[Block] = [Bullets(tuple((sentence,) for sentence in silent))] if silent else []
    if not found:
        return unsaid or [Paragraph((instead or "No times were recorded, so nothing is said about speed.",))]
    both_clocks = any(advice.place.basis for advice in found)
    reading = (
        "A technique is called fastest only where the 95 % interval of its speedup lies 5 % or more above those of "
        "all others that agree with the definition: the interval speaks of this process alone, and in another one the "
        "same code may be laid out luckier. Training is forward and backward together; inference records no graph."
    )
    if both_clocks:
        reading += (
            " By device time: what an accelerator works. As a Python caller waits: the launches, too, which decide "
            "where shapes are small."
        )
    odd = dict.fromkeys(label for advice in found for label in advice.place.odd_protocol)
    if odd:
        reading += f" Where nothing was timed as usual, the finding is for another way: {explained(tuple(odd))}."
    table = _table_by_clock(found) if both_clocks else _table(found)
    return [table, *unsaid, Paragraph((reading,), muted=True)]


def _table(found: list[Recommendation]) -> Table:
    columns = (
        *_SUBJECT,
        Column("Finding"),
        Column("Against the reference", numeric=True, note="reference · eager = 1; above 1 is faster"),
    )
    rows = tuple((*_subject(advice), _cell(advice), Cell((advice.speedups or "—",))) for advice in found)
    return Table(columns, rows)


def _table_by_clock(found: list[Recommendation]) -> Table:
    """Return a row for what either clock says of the same shapes; × is the speed, reference · eager being 1."""
    rows = []
    for together in by_both_clocks(found):
        by_clock = {advice.place.measured_clock: advice for advice in together}
        cells = (_cell(by_clock[clock], speedups=True) if clock in by_clock else EMPTY for clock in _CLOCKS)
        rows.append((*_subject(together[0]), *cells))
    columns = (*_SUBJECT, *(Column(title, note="× the speed of reference · eager") for title in _CLOCKS.values()))
    return Table(columns, tuple(rows))


def _subject(advice: Recommendation) -> tuple[Cell, ...]:
    where = advice.place.whatever_clock.title
    return Cell((Strong(advice.place.function),), note=where), Cell((advice.purpose,)), Cell((advice.shapes,))


def _cell(advice: Recommendation, *, speedups: bool = False) -> Cell:
    notes = [advice.speedups if speedups else "", _caveat(advice)]
    return Cell(_finding(advice), note="; ".join(filter(None, notes)), tone="good" if advice.is_claim else "plain")


def _finding(advice: Recommendation) -> Text:
    names = [name.replace(" ", _NO_BREAK) for name in advice.names]
    if advice.is_claim:
        return (Strong(names[0]), " is fastest")
    return (advice.said_of(names),)


def _caveat(advice: Recommendation) -> str:
    said = [f"agreement not checked: {listed(list(advice.unchecked))}"] if advice.unchecked else []
    return "; ".join([*said, "≈ noisy: intervals wider than asked"] if advice.noisy else said)
