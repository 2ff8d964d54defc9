"""The function beside its reference: on the examples, on edges, in every situation that callers make."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from gradgauge.atlas import KINDS
from gradgauge.attempts import Failure, Unsupported, attempt
from gradgauge.calling import outputs_of
from gradgauge.cases import parse_shapes
from gradgauge.checking.excuses import Excuses
from gradgauge.checking.faults import MENDED, Fault, Judge, told_example
from gradgauge.checking.findings import Finding
from gradgauge.checking.shrinking import Shrinker
from gradgauge.checking.target import Target
from gradgauge.error_budgets import derive_budgets, sample_truth
from gradgauge.inputs import MOST_EDGES, cotangents, edges_of, generator_for, torch_dtype
from gradgauge.oracle import Truth, tell_truth
from gradgauge.records import Verdict
from gradgauge.situations import (
    BROADCASTING,
    COTANGENT_LAYOUTS,
    INPUT_LAYOUTS,
    Situation,
    hostile_situations,
    main_situation,
)
from gradgauge.situations import (
    MAIN as MAIN_KIND,
)
from gradgauge.trials import Way

MAIN = AGREEMENT, EDGES, NONFINITE = "agreement", "edges", "nonfinite"
"""The main inputs: the examples, random ones and what lies about the edges given; extremes; ±inf and NaN."""
ZERO = "zero cotangent"
SITUATIONS = (
    *(f"{layout} cotangent" for layout in COTANGENT_LAYOUTS),
    ZERO,
    "large cotangent",
    "small cotangent",
    "undefined cotangent",
    "interleaved",
    *(f"{layout} input" for layout in INPUT_LAYOUTS),
    "0-d",
    "empty",
    "ranks",
    "no gradient",
    "broadcast",
    "long sum",
    "partial",
    "mixed input",
)
"""What `hostile_situations` yields for several inputs in eager mode."""
OTHER_SHAPES = ("0-d", "empty", "ranks", *BROADCASTING)
"""Situations of other shapes than the examples'. Who refuses those loudly is unsupported there, not wrong."""
MOST_CHUNKS = 32
"""Edges that fill more tensors than this, each combination once, are left out: it would take minutes."""


def spelled(name: str) -> str:
    """Return a check's name as options spell it.

    >>> spelled("channels-last input")
    'channels_last_input'
    """
    return name.replace(" ", "_").replace("-", "_")


def check_agreement(target: Target, wanted: set[str], seed: int) -> Iterator[Finding]:
    """Compare the function with its reference on the examples, on edges, and in every situation that callers make."""
    if not wanted & {*MAIN, *map(spelled, SITUATIONS)}:
        return
    excuses = attempt("the reference", lambda: _excuses(target))
    if isinstance(excuses, Failure):
        verdict = Verdict.FAIL if target.has_reference else Verdict.UNSUPPORTED
        said = "" if target.has_reference else "without a reference it is compared with itself in float64: "
        yield from (Finding(name, verdict, f"{said}{excuses.detail}") for name in MAIN if name in wanted)
        return
    judge = Judge(target, excuses)
    known: dict[tuple[str, ...], str] = {}
    for name, builds in _checks(target, seed):
        if name in wanted:
            yield _judged(target, judge, name, builds, known)


def _excuses(target: Target) -> Excuses:
    for index, output in enumerate(outputs_of(target.reference(*(tensor.cpu().double() for tensor in target.given)))):
        if output.is_floating_point() and output.dtype != torch.float64:
            raise Unsupported(f"output {index} is {output.dtype} for float64 inputs")
    sample = sample_truth(target.case, target.entry)
    budgets = derive_budgets(target.entry, sample)
    return Excuses(target.entry, budgets.values, budgets.gradients, sample=sample, is_elementwise=target.is_elementwise)


Builds = list[tuple[Callable[[], Situation], tuple[str, ...]]]
"""Situations, each with the kinds of element that count; all of them where none is named."""


def _checks(target: Target, seed: int) -> Iterator[tuple[str, Builds]]:
    """Yield every check by name with what is to be judged for it."""
    main = cache(lambda: _main(target, seed))
    finite = main if target.is_elementwise else cache(lambda: _finite(target, main()))
    yield AGREEMENT, [(lambda: _given(target, seed), ()), (finite, ("random", "far", "kinks"))]
    yield EDGES, [(finite, ("edges",))]
    yield NONFINITE, [(main, ("nonfinite",))]
    for kind, build in hostile_situations(target.case, target.probing, seed):
        if kind == ZERO:  # the engine's tries every edge, in as many tensors as it takes
            yield spelled(kind), [(lambda: _zeroed(target, finite() if finite().trials else _given(target, seed)), ())]
        else:
            yield spelled(kind), [(build, ())]


def _given(target: Target, seed: int) -> Situation:
    generator = generator_for(target.case, seed, "given")
    given = tuple(tensor.cpu() for tensor in target.given)
    truth = tell_truth(target.entry, given, lambda outputs: cotangents(outputs, generator))
    return Situation("given", ((truth, Way()),))


def _main(target: Target, seed: int) -> Situation:
    """Return random inputs and every edge; where they fill too many tensors, the caller's in one input at a time."""
    case = target.roomy
    room = min(math.prod(shape) for shape in parse_shapes(case.shape, len(target.names)))
    edges = len(edges_of(target.entry.function, torch_dtype(case.dtype, target.name)).values)
    chunks = min(float(MOST_EDGES), float(edges) ** len(target.names)) / max(1, room)
    if chunks <= MOST_CHUNKS:
        return main_situation(case, target.entry, seed)
    return Situation(MAIN_KIND, tuple((truth, Way()) for truth in _planted(target, seed)))


def _planted(target: Target, seed: int) -> Iterator[Truth]:
    """Yield the examples with the caller's edges and their neighbours planted in one input at a time.

    An edge at which the reference gives NaN there, such as a scale of zero, is not meant for that input.
    """
    generator = generator_for(target.case, seed, "planted")
    given = tuple(tensor.cpu() for tensor in target.given)
    places = torch.tensor([edge for edge in target.entry.function.edges if math.isfinite(edge)], dtype=given[0].dtype)
    values = torch.cat([places, *(places.nextafter(torch.full_like(places, way)) for way in (-math.inf, math.inf))])
    kinds = torch.full(given[0].shape, KINDS.index("edges"), dtype=torch.int8)
    for index, tensor in enumerate(given):
        for chunk in values.split(max(1, tensor.numel()))[:MOST_CHUNKS]:  # type: ignore[no-untyped-call]
            planted = tensor.clone().contiguous()
            planted.view(-1)[: len(chunk)] = chunk[: planted.numel()]
            inputs = tuple(planted if number == index else other for number, other in enumerate(given))
            truth = tell_truth(target.entry, inputs, lambda outputs: cotangents(outputs, generator), kinds)
            if len(chunk) and not any(each.isnan().any() for each in (*truth.values, *truth.gradients)):
                yield truth


def _judged(target: Target, judge: Judge, check: str, builds: Builds, known: dict[tuple[str, ...], str]) -> Finding:
    """Return the finding of one check: the first fault of its situations, with the smallest input that shows it.

    known: symptom → the check that was first to meet it; the others name that one.
    """
    was_tried = False
    for build, kinds in builds:
        situation = attempt("the reference", lambda build=build: _certain(target, build()))  # type: ignore[misc]
        if isinstance(situation, Failure):
            return Finding(check, Verdict.NOT_APPLICABLE, situation.detail)
        was_tried |= bool(situation.trials)
        fault = judge.fault(situation, kinds) if situation.trials else None
        if fault is None:
            continue
        may_refuse = check in map(spelled, OTHER_SHAPES) and _refuses(check, fault)
        if fault.symptom[0] == Verdict.UNSUPPORTED or may_refuse:
            return Finding(check, Verdict.UNSUPPORTED, fault.said)
        if fault.symptom in known:
            return Finding(check, Verdict.FAIL, fault.said, same_as=known[fault.symptom])
        known[fault.symptom] = check
        shots = Shrinker(target, judge, situation, fault, kinds).smallest()
        return Finding(check, Verdict.FAIL, fault.said, *told_example(target, shots, fault))
    return Finding(check, Verdict.PASS) if was_tried else Finding(check, Verdict.NOT_APPLICABLE, "no room for it")


def _refuses(check: str, fault: Fault) -> bool:
    """Whether shapes that the examples do not have are refused loudly, or summed to shape by autograd itself."""
    return " raised " in fault.said or (check in map(spelled, BROADCASTING) and fault.symptom == MENDED)


def _certain(target: Target, situation: Situation) -> Situation:
    """Return the situation without inputs of which the reference says nothing.

    Infinite ones at which it gives NaN itself, as `x + (x.round() - x).detach()` does; NaN as well where it is written
    so, with a gradient that is not its value's derivative. And numbers far beyond the examples in what is not
    elementwise: there the order of its terms decides what is lost.
    """
    trials = tuple((_certain_truth(target, truth), way) for truth, way in situation.trials)
    return replace(situation, trials=trials)


def _finite(target: Target, situation: Situation) -> Situation:
    """Return the situation with ones for infinite inputs and NaN, which in a sum or a softmax hide all else."""
    trials = []
    for truth, way in situation.trials:
        inputs = tuple(torch.where(tensor.isfinite(), tensor, 1.0).to(tensor.dtype) for tensor in truth.inputs)
        trials.append((tell_truth(target.entry, inputs, _these(truth), truth.kinds), way))
    return replace(situation, trials=tuple(trials))


def _zeroed(target: Target, situation: Situation) -> Situation:
    """Return the situation with cotangents of zero."""
    trials = []
    for truth, way in situation.trials:
        zeros = replace(truth, grad_outputs=tuple(torch.zeros_like(grad) for grad in truth.grad_outputs))
        trials.append((tell_truth(target.entry, truth.inputs, _these(zeros), truth.kinds), way))
    return Situation(ZERO, tuple(trials), has_values=False)


def _these(truth: Truth) -> Callable[[Sequence[Tensor]], tuple[Tensor, ...]]:
    return lambda _: truth.grad_outputs


def _certain_truth(target: Target, truth: Truth) -> Truth:
    if target.is_elementwise:
        unknown = _unknown(target, truth)
        kinds = None if truth.kinds is None or unknown is None else torch.where(unknown, 0, truth.kinds)
        masks = None if unknown is None or not unknown.any() else [unknown] * len(truth.inputs)
    else:
        kinds = truth.kinds
        huge = [tensor.isfinite() & (tensor.abs() > target.reach) for tensor in truth.inputs]
        masks = huge if any(mask.any() for mask in huge) else None
    if masks is None:
        return truth
    pairs = zip(masks, truth.inputs, strict=True)
    inputs = tuple(torch.where(mask, 1.0, tensor).to(tensor.dtype) for mask, tensor in pairs)
    return tell_truth(target.entry, inputs, _these(truth), kinds)


def _unknown(target: Target, truth: Truth) -> Tensor | None:
    """Return the elements at which the reference says nothing; None where elements do not belong to each other."""
    if not truth.is_elementwise:
        return None
    unusual = torch.stack([~tensor.isfinite() if target.is_surrogate else tensor.isinf() for tensor in truth.inputs])
    return torch.stack([tensor.isnan() for tensor in (*truth.values, *truth.gradients)]).any(dim=0) & unusual.any(dim=0)
