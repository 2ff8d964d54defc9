"""`gradgauge.check`: agreement and behaviour of one function, in one call of anybody's own test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gradgauge.behavior.subject import SAMPLES, Subject
from gradgauge.behavior.table import BEHAVIORS
from gradgauge.calling import Call, outputs_of
from gradgauge.cases import DTYPES
from gradgauge.checking.agreement import AGREEMENT, MAIN, SITUATIONS, check_agreement, spelled
from gradgauge.checking.behavior import check_behavior, check_first_call
from gradgauge.checking.findings import CheckFailed, Finding, Findings
from gradgauge.checking.numerical import NUMERICAL, check_numerically
from gradgauge.checking.process import left_alone
from gradgauge.checking.snippets import behavior_snippet
from gradgauge.checking.target import Target, cut_to, make_target, name_of
from gradgauge.loading import first_line
from gradgauge.records import Verdict

CHECKS = (*MAIN, *map(spelled, SITUATIONS), *NUMERICAL, *(behavior.name for behavior in BEHAVIORS))
"""Every check by name, as `checks`, `skip` and `require` take it."""

RAISED = " raised "
TOLD_BEFORE = {
    "gradcheck": (AGREEMENT,),
    "gradgradcheck": (AGREEMENT, "gradcheck"),
    "double_backward": (AGREEMENT, "gradcheck", "gradgradcheck"),
}
"""Check → those that tell a wrong derivative before it does."""


def check(  # noqa: PLR0913  (each is a choice of its own, by keyword)
    fn: Callable[..., Tensor | tuple[Tensor, ...]],
    *,
    inputs: Tensor | Sequence[Tensor],
    reference: Callable[..., Tensor | tuple[Tensor, ...]] | None = None,
    edges: Sequence[float] = (),
    checks: Sequence[str] | None = None,
    skip: Sequence[str] = (),
    require: Sequence[str] = (),
    seed: int = 0,
) -> Findings:
    """Check that a differentiable function is right, and that it behaves, wherever callers take it.

    fn: tensors → a tensor, or a tuple of tensors; a custom `torch.autograd.Function`'s `apply`, say.
    inputs: an example of each input, (*) each, floating, on the device and in the dtype that count. They are tried
        themselves; other inputs have their dtype and device, and, for several inputs, numbers drawn from theirs.
    reference: what is right, written for clarity and differentiated by autograd; it is run in float64 on the CPU.
        Without one, `fn` is compared with itself in float64, and its gradients with numerical differences.
    edges: numbers at which every input is tried, with their neighbours, besides ±0, ±1, subnormal, largest, ±inf and
        NaN; where pieces of the function meet. Where the slopes from the two sides differ, any between them is right.
    checks: the only ones to run; skip: the ones not to; require: the ones that must pass. By the names in
        `CHECKS`: `agreement` (values and gradients, element by element, within what roundings may cost and the
        reference errs by in the inputs' dtype), `edges`, `nonfinite`, what callers do (`strided_cotangent`,
        `empty`, `interleaved` …), `gradcheck`, `gradgradcheck`, and behaviours
        (`double_backward`, `vmap`, `in_place_change` …).
    seed: of all random numbers; the same seed gives the same outcome.

    Returns what came of each check. Raises CheckFailed, an AssertionError, where one failed: its message has the
    smallest input that shows the fault, what is right there and what was found, and lines of plain PyTorch that
    reproduce it. Raises TypeError for inputs that are no floating tensors; ValueError for an unknown check, for a
    reference that raises itself, and for a function that is meant to write into its inputs. Random numbers, warnings
    and modes are put back; what torch.compile had made in this process is forgotten, and made anew at its next call.
    """
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    _refuse_bad_inputs(given)
    wanted = _wanted(checks, skip)
    required = _known("require", require)
    if required - wanted:
        raise ValueError(f"require names what does not run: {', '.join(sorted(required - wanted))}")
    if isinstance(fn, type):
        raise TypeError(f"{fn.__name__} is a class; pass {fn.__name__}.apply, or an instance")
    numbers = _numbers(edges)
    with left_alone(given, seed):
        found = _found(fn, reference, given, numbers, wanted, seed)
    ranked = {name: rank for rank, name in enumerate(CHECKS)}
    found = found if reference is not None else _with_a_gradient_looked_at(found)
    found = sorted((_required(finding, required) for finding in found), key=lambda finding: ranked[finding.check])
    shape = ", ".join("x".join(map(str, tensor.shape)) or "scalar" for tensor in given)
    dtype = str(given[0].dtype).removeprefix("torch.")
    findings = Findings(f"{name_of(fn)} ({dtype}, {given[0].device}, {shape})", tuple(_folded(found)))
    if findings.of(Verdict.FAIL):
        raise CheckFailed(findings)
    return findings


def _found(
    fn: Call, reference: Call | None, given: tuple[Tensor, ...], edges: tuple[float, ...], wanted: set[str], seed: int
) -> list[Finding]:
    if reference is not None:
        _refuse_bad_reference(reference, given)
    untouched = Subject(
        fn, (tuple(tensor.detach() for tensor in given),) * SAMPLES, reload=lambda: fn, may_set_up=False
    )
    found = check_first_call(untouched, wanted)
    _refuse_in_place(fn, given)
    target = make_target(fn, reference, given, edges)
    found = [_with_lines(target, finding) for finding in found]
    found += [*check_agreement(target, wanted, seed), *check_numerically(target, wanted)]
    return [*found, *check_behavior(target, wanted)]


def _with_lines(target: Target, finding: Finding) -> Finding:
    """Return the finding of the first call, which came before there was a target, with lines that show a fault."""
    if finding.verdict != Verdict.FAIL:
        return finding
    inputs = cut_to(target.given, 2)
    return replace(finding, snippet=behavior_snippet(target, finding.check, inputs, is_tuple=False))


def _refuse_bad_reference(reference: Call, given: tuple[Tensor, ...]) -> None:
    """Raise ValueError for a reference that says nothing of the examples in float64."""
    try:
        outputs = outputs_of(reference(*(tensor.detach().cpu().double() for tensor in given)))
    except Exception as error:
        raise ValueError(f"the reference raised on the examples in float64 on the CPU: {first_line(error)}") from error
    for index, output in enumerate(outputs):
        if output.is_floating_point() and output.dtype != torch.float64:
            raise ValueError(
                f"output {index} of the reference is {output.dtype} for float64 inputs, which loses digits"
            )


def _refuse_in_place(fn: Call, given: tuple[Tensor, ...]) -> None:
    """Raise ValueError for a function that is meant to write into its inputs: every check would say so again."""
    try:
        fn(*(tensor.detach().clone().requires_grad_() for tensor in given))
    except RuntimeError as error:
        if "leaf" in str(error) and "in-place" in str(error):
            name = name_of(fn)
            raise ValueError(
                f"{name} writes into its inputs; check lambda *xs: {name}(*map(torch.clone, xs))"
            ) from error
    except Exception:  # noqa: BLE001, S110  (what else it raises is for the checks to tell)
        pass


def _folded(found: Sequence[Finding]) -> list[Finding]:
    """Return the findings, those that tell the same fault a second time with the check that told it first."""
    wrong = [finding for finding in found if finding.verdict == Verdict.FAIL]
    folded = []
    for finding in found:
        first = next((each for each in wrong if each is not finding and _tells(each, finding)), None)
        if first is None or finding not in wrong or finding.same_as:
            folded.append(finding)
        else:
            folded.append(replace(finding, same_as=first.same_as or first.check))
    return folded


def _tells(first: Finding, other: Finding) -> bool:
    """Whether a finding that comes first tells what another one does."""
    if CHECKS.index(first.check) > CHECKS.index(other.check):
        return False
    if first.check in TOLD_BEFORE.get(other.check, ()):
        return first.check != AGREEMENT or "the gradient of" in first.detail
    if RAISED in first.detail:
        return first.detail.partition(RAISED)[2] == other.detail.partition(RAISED)[2]
    return bool(first.detail) and first.detail == other.detail


def _refuse_bad_inputs(given: Sequence[object]) -> None:
    if torch.is_inference_mode_enabled():
        raise RuntimeError("check needs gradients, and is called under torch.inference_mode")
    if not given:
        raise TypeError("inputs is empty: check needs an example of each input")
    for index, tensor in enumerate(given):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"inputs[{index}] is {type(tensor).__name__}, not a tensor")
        if not tensor.is_floating_point():
            raise TypeError(f"inputs[{index}] is {tensor.dtype}: only floating tensors have gradients")
        if str(tensor.dtype).removeprefix("torch.") not in DTYPES:
            raise TypeError(f"inputs[{index}] is {tensor.dtype}; what can be checked is {', '.join(DTYPES)}")
    kinds = {(tensor.dtype, tensor.device) for tensor in given if isinstance(tensor, Tensor)}
    if len(kinds) > 1:
        raise TypeError(f"inputs differ in dtype or device: {', '.join(sorted(f'{d} on {v}' for d, v in kinds))}")


def _wanted(checks: Sequence[str] | None, skip: Sequence[str]) -> set[str]:
    chosen = (set(CHECKS) if checks is None else _known("checks", checks)) - _known("skip", skip)
    if not chosen:
        raise ValueError("checks and skip leave nothing to check")
    return chosen


def _numbers(edges: Sequence[float]) -> tuple[float, ...]:
    try:
        return tuple(map(float, edges))
    except (TypeError, ValueError):
        raise TypeError(f"edges = {edges!r} is no sequence of numbers") from None


def _known(option: str, names: Sequence[str]) -> set[str]:
    listed = (names,) if isinstance(names, str) else names
    for name in listed:
        if spelled(name) not in CHECKS:
            raise ValueError(f"{option} names {name!r}; checks are: {', '.join(CHECKS)}")
    return {spelled(name) for name in listed}


def _required(finding: Finding, required: set[str]) -> Finding:
    if finding.check in required and finding.verdict not in (Verdict.PASS, Verdict.FAIL):
        said = "not supported" if finding.verdict == Verdict.UNSUPPORTED else "not applicable"
        return replace(finding, verdict=Verdict.FAIL, detail=f"required, and {said}: {finding.detail}")
    return finding


def _with_a_gradient_looked_at(found: list[Finding]) -> list[Finding]:
    """Return the findings, the first a failure where neither of the two that look at the gradient could."""
    looked = [finding for finding in found if finding.check in (AGREEMENT, "gradcheck")]
    if len(looked) < 2 or any(finding.verdict in (Verdict.PASS, Verdict.FAIL) for finding in looked):
        return found
    said = f"nothing could look at the gradient, give a reference: {looked[0].detail}"
    return [replace(each, verdict=Verdict.FAIL, detail=said) if each is looked[0] else each for each in found]
