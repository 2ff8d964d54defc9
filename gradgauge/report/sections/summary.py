"""What should I use? For each function, device and range of sizes, and what rules the others out."""

from __future__ import annotations

from gradgauge.report.advice import MOST_NAMES, Answer, answers, finding, shortlist, unbroken
from gradgauge.report.agreement import standings
from gradgauge.report.blocks import Block, Bullets, Callout, Fold, Heading, Inline, Paragraph, Strong, Text
from gradgauge.report.data import RunData
from gradgauge.report.exclusions import Exclusion, exclusions
from gradgauge.report.footprints import Footprints
from gradgauge.report.formatting import listed, plural
from gradgauge.report.labels import explained
from gradgauge.report.questions import Question
from gradgauge.report.ranking import Recommendation, recommendations
from gradgauge.report.summary import drifting, instead_of_times, unadvised, unchecked
from gradgauge.report.tables.advice import advice_table, exclusions_table
from gradgauge.report.tables.cells import ABOUT

TITLE = ""
QUESTION = Question.USE
ORDER = 10
SHOWS: frozenset[tuple[str, str]] = frozenset()
_MOST_REASONS = 5
_READING = (
    "A technique is recommended alone only where the 95 % interval of its speedup lies 5 % or more above those of all "
    "others that agree with the definition: the interval speaks of this process alone, and in another one the same "
    "code may be laid out luckier. Training is forward and backward together; inference records no graph."
)
_BOTH_CLOCKS = (
    " By device time: what an accelerator works. As a Python caller waits: the launches, too, which decide where "
    "shapes are small."
)
_CROSSING = (
    " A size at which one technique takes over from another lies between two measured ones and is interpolated; its "
    "interval is that of the two speedups."
)


def render(run: RunData) -> list[Block]:
    """Return what to use in a sentence each, the figures behind it, and what rules the others out."""
    found = recommendations(run)
    blocks: list[Block] = [*_advice(run, found), *_qualified(run)]
    ruled_out = exclusions(run, found)
    if ruled_out:
        blocks += [Heading("What rules the others out"), *_ruled_out(ruled_out)]
    return blocks


def _advice(run: RunData, found: list[Recommendation]) -> list[Block]:
    silent = unadvised(run)
    unsaid: list[Block] = [Bullets(tuple((sentence,) for sentence in silent))] if silent else []
    if not found:
        instead = instead_of_times(run) or "No times were recorded, so nothing is said about speed."
        return unsaid or [Paragraph((instead,))]
    told = answers(found)
    reading = _READING
    reading += _BOTH_CLOCKS if any(advice.place.basis for advice in found) else ""
    reading += _CROSSING if any(answer.crossovers for answer in told) else ""
    reading += f" {ABOUT}noisy: an interval wider than asked." if any(advice.noisy for advice in found) else ""
    odd = dict.fromkeys(label for advice in found for label in advice.place.odd_protocol)
    if odd:
        reading += f" Where nothing was timed as usual, the finding is for another way: {explained(tuple(odd))}."
    table = advice_table(found, Footprints.of(run))
    return [Bullets(tuple(map(_sentence, told))), *unsaid, table, Paragraph((reading,), muted=True)]


def _sentence(answer: Answer) -> Text:
    """Return an answer in words: `relu, training (cpu · float32), at every size, 1 to 9 elements: where · eager`."""
    said: list[Inline] = [Strong(answer.place.function), f", {answer.purpose} ({answer.place.finding_title}), "]
    most = MOST_NAMES if len(answer.advice) == 1 else MOST_NAMES - 1
    for index, (where, advice) in enumerate(answer.parts()):
        said += [
            *(["; "] if index else []),
            f"{where}: ",
            *finding(advice, shortlist(list(map(unbroken, advice.names)), most)),
        ]
    return (*said, ".")


def _qualified(run: RunData) -> list[Block]:
    """Return what else must be known of the advice, a line each."""
    blocks: list[Block] = []
    unjudged = unchecked(run)
    if unjudged:
        text = (f"No check of gradients judged {_some(unjudged, run)} in this run.",)
        blocks.append(Callout("warn", "Agreement unknown", text=text))
    said = [f"On {moved.subject}, {moved.text}: see “{Question.WRONG.title}”." for moved in drifting(run)]
    if run.description.left_out:
        count = plural(len(run.description.left_out), "group of cases was", "groups of cases were")
        said.append(f"{count} left out: see “What did not run”.")
    return [*blocks, *([Paragraph((" ".join(said),), muted=True)] if said else [])]


def _some(unjudged: list[str], run: RunData) -> str:
    everything = set(unjudged) >= {f"{function}: {technique}" for function, technique in standings(run) if function}
    return "any technique" if everything and len(unjudged) > 1 else listed(unjudged)


def _ruled_out(found: list[Exclusion]) -> list[Block]:
    """Return the first reasons of each function, the others folded."""
    of_function: dict[str, list[Exclusion]] = {}
    for each in found:
        of_function.setdefault(each.function, []).append(each)
    first = [each for some in of_function.values() for each in some[:_MOST_REASONS]]
    rest = [each for some in of_function.values() for each in some[_MOST_REASONS:]]
    more: list[Block] = [Fold(plural(len(rest), "more reason"), (exclusions_table(rest),))] if rest else []
    return [exclusions_table(first), *more]
