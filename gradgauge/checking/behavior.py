"""The function's behaviour, each fault shown on inputs as small as show it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from gradgauge.attempts import Failure, attempt
from gradgauge.behavior.subject import Subject
from gradgauge.behavior.table import BEHAVIORS, Behavior, in_order, try_behavior
from gradgauge.calling import outputs_of
from gradgauge.checking.findings import Finding
from gradgauge.checking.snippets import behavior_snippet
from gradgauge.checking.target import Target, cut_to
from gradgauge.records import Verdict

SIZES = (1, 2, 3)
"""What dimensions are cut to in search of a smaller input that shows the same."""
MANY, HANDY = 4096, 8
"""Of examples with more elements than `MANY`, so many along each dimension are taken where the function takes them."""
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
    """Try every behaviour that is wanted, but for the first call's; on a part of the examples where they are large."""
    chosen = [behavior for behavior in in_order() if behavior.name in wanted and behavior is not FIRST]
    if not chosen:
        return
    if any(tensor.numel() == 0 for tensor in target.given):
        yield from (Finding(each.name, Verdict.NOT_APPLICABLE, "an example is empty") for each in chosen)
        return
    given = _handy(target)
    run = attempt("the call", target.subject(given).run)
    for behavior in chosen:
        if isinstance(run, Failure):
            same_as = chosen[0].name if run.verdict == Verdict.FAIL and behavior is not chosen[0] else ""
            yield Finding(behavior.name, run.verdict, run.detail, same_as=same_as)
            continue
        outcome = try_behavior(behavior, target.subject(given))
        lenient = _lenient(target, behavior, given) if outcome.verdict == Verdict.FAIL else ""
        if lenient:
            lines = behavior_snippet(target, behavior.name, given, is_tuple=isinstance(target.call(*given), tuple))
            yield Finding(behavior.name, Verdict.UNSUPPORTED, f"{outcome.detail}: {lenient}", "", lines)
        elif outcome.verdict != Verdict.FAIL:
            yield Finding(behavior.name, outcome.verdict, outcome.detail)
        else:
            small, detail = _smallest(target, behavior, given, outcome.detail)
            snippet = behavior_snippet(target, behavior.name, small, is_tuple=isinstance(target.call(*small), tuple))
            yield Finding(behavior.name, Verdict.FAIL, detail, "", snippet)


def _lenient(target: Target, behavior: Behavior, given: tuple[Tensor, ...]) -> str:
    """Return why what a behaviour found is no fault in a function of somebody's own; empty where it is one."""
    if behavior.name == "needs_input_grad":
        return "time lost, nothing wrong"
    if behavior.name == "double_backward" and target.is_surrogate:
        return "of a gradient that is not its value's derivative, the second is a matter of how it is written"
    if behavior.name == "no_alias":
        leaves = tuple(tensor.clone().requires_grad_() for tensor in given)
        storages = {tensor.untyped_storage().data_ptr() for tensor in leaves}
        shared = [out for out in outputs_of(target.call(*leaves)) if out.untyped_storage().data_ptr() in storages]
        if all(out._is_view() for out in shared):  # noqa: SLF001  (no public name)
            return "a view, and autograd knows it"
    return ""


def _handy(target: Target) -> tuple[Tensor, ...]:
    """Return the examples, or their first few elements along each dimension where they are large and that will do."""
    if sum(tensor.numel() for tensor in target.given) <= MANY:
        return target.given
    cut = cut_to(target.given, HANDY)
    return target.given if isinstance(attempt("it", target.subject(cut).run), Failure) else cut


def _smallest(
    target: Target, behavior: Behavior, given: tuple[Tensor, ...], detail: str
) -> tuple[tuple[Tensor, ...], str]:
    """Return inputs, cut from those given, that show the fault, and how it is told on them."""
    for size in SIZES:
        cut = cut_to(given, size)
        outcome = try_behavior(behavior, target.subject(cut))
        if outcome.verdict == Verdict.FAIL and " raised " not in outcome.detail.removeprefix(detail):
            return target.smooth(cut), outcome.detail
    return target.smooth(given), detail
