"""What should I use, and is anything wrong?"""

from __future__ import annotations

from gradgauge.report.blocks import Block, Bullets, Callout, Cell, Code, Column, Paragraph, Strong, Table, Text
from gradgauge.report.data import RunData
from gradgauge.report.formatting import listed, plural
from gradgauge.report.labels import explained
from gradgauge.report.ranking import Recommendation, recommendations
from gradgauge.report.summary import Remark, disagreeing_as_expected, drifting, failing, not_run, unadvised, unchecked

TITLE = "Summary"
ORDER = 10
SHOWS: frozenset[tuple[str, str]] = frozenset()
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
    blocks += _advice(recommendations(run), unadvised(run))
    expected = disagreeing_as_expected(run)
    if expected:
        title = "Known to disagree with the definition, and never recommended"
        blocks.append(Callout("warn", title, items=_items(expected)))
    unjudged = unchecked(run)
    if unjudged:
        text = (f"No check of gradients judged {listed(unjudged)} in this run.",)
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


def _items(remarks: list[Remark]) -> tuple[Text, ...]:
    return tuple((Code(remark.subject), f" — {remark.text}") for remark in remarks)


def _advice(found: list[Recommendation], silent: list[str]) -> list[Block]:
    unsaid: list[Block] = [Bullets(tuple((sentence,) for sentence in silent))] if silent else []
    if not found:
        return unsaid or [Paragraph(("No times were recorded, so nothing is said about speed.",))]
    columns = (
        Column("Function"),
        Column("For"),
        Column("Shapes"),
        Column("Finding"),
        Column("Against the reference", numeric=True, note="reference · eager = 1; above 1 is faster"),
    )
    rows = tuple(
        (
            Cell((Strong(advice.place.function),), note=advice.place.finding_title),
            Cell((advice.purpose,)),
            Cell((advice.shapes,)),
            Cell(_finding(advice), note=_caveat(advice), tone="good" if advice.is_claim else "plain"),
            Cell((advice.speedups or "—",)),
        )
        for advice in found
    )
    reading = (
        "A technique is called fastest only where the 95 % interval of its speedup lies 5 % or more above those of "
        "all others that agree with the definition: the interval speaks of this process alone, and in another one the "
        "same code may be laid out luckier. Training is forward and backward together; inference records no graph."
    )
    if any(advice.place.basis for advice in found):
        reading += (
            " By device time: what an accelerator works. As a Python caller waits: the launches, too, which decide "
            "where shapes are small."
        )
    odd = dict.fromkeys(label for advice in found for label in advice.place.odd_protocol)
    if odd:
        reading += f" Where nothing was timed as usual, the finding is for another way: {explained(tuple(odd))}."
    return [Table(columns, rows), *unsaid, Paragraph((reading,), muted=True)]


def _finding(advice: Recommendation) -> Text:
    if advice.is_claim:
        return (Strong(advice.names[0]), " is fastest")
    return (advice.sentence,)


def _caveat(advice: Recommendation) -> str:
    noisy = any(leader.noisy for ranking in advice.rankings for leader in ranking.leaders)
    said = [f"agreement not checked: {listed(list(advice.unchecked))}"] if advice.unchecked else []
    return "; ".join([*said, "≈ noisy: intervals wider than asked"] if noisy else said)
