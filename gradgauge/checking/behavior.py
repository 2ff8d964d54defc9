"""The function's behaviour, each fault shown on inputs as small as show it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from gradgauge.attempts import Failure, attempt
from gradgauge.behavior.subject import Subject
from gradgauge.behavior.table import BEHAVIORS, Behavior, in_order, try_behavior
from gradgauge.checking.findings import Finding
from gradgauge.checking.snippets import behavior_snippet
from gradgauge.checking.target import Target
from gradgauge.records import Verdict

SIZES = (1, 2, 3)
"""What dimensions are cut to in search of a smaller input that shows the same."""
FIRST = next(behavior for behavior in BEHAVIORS if behavior.name == "global_state")
"""The one that must be tried before anything else calls the function."""


def check_first_call(subject: Subject, wanted: set[str]) -> list[Finding]:
    """Try whether the first call changes anything of the process."""
    if FIRST.name not in wanted:
        return []
    outcome = try_behavior(FIRST, subject)
    if outcome.verdict == Verdict.FAIL and " raised " in outcome.detail:
        return [Finding(FIRST.name, Verdict.NOT_APPLICABLE, outcome.detail)]  # that it raises is told by the others
    return [Finding(FIRST.name, outcome.verdict, outcome.detail)]


def check_behavior(target: Target, wanted: set[str]) -> Iterator[Finding]:
    """Try every behaviour that is wanted, but for the first call's."""
    chosen = [behavior for behavior in in_order() if behavior.name in wanted and behavior is not FIRST]
    if not chosen:
        return
    run = attempt("the call", target.subject().run)
    for behavior in chosen:
        if isinstance(run, Failure):
            yield Finding(behavior.name, run.verdict, run.detail)
            continue
        outcome = try_behavior(behavior, target.subject())
        if outcome.verdict != Verdict.FAIL:
            yield Finding(behavior.name, outcome.verdict, outcome.detail)
            continue
        small, detail = _smallest(target, behavior, outcome.detail)
        is_tuple = isinstance(target.call(*small), tuple)
        yield Finding(
            behavior.name, Verdict.FAIL, detail, "", behavior_snippet(target, behavior.name, small, is_tuple=is_tuple)
        )


def _smallest(target: Target, behavior: Behavior, detail: str) -> tuple[tuple[Tensor, ...], str]:
    """Return inputs, cut from the examples, that show the fault, and how it is told on them."""
    for size in SIZES:
        cut = tuple(tensor[(slice(0, size),) * tensor.dim()].contiguous() for tensor in target.given)
        outcome = try_behavior(behavior, target.subject(cut))
        if outcome.verdict == Verdict.FAIL:
            return target.smooth(cut), outcome.detail
    return target.smooth(), detail
