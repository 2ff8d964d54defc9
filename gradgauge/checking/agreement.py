"""The function beside its reference: on the examples, on edges, in every situation that callers make."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import torch

from gradgauge.attempts import Failure, attempt
from gradgauge.cases import parse_shapes
from gradgauge.checking.faults import Judge, Shrinker, told_example
from gradgauge.checking.findings import Finding
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
from gradgauge.trials import Way

MAIN = AGREEMENT, EDGES, NONFINITE = "agreement", "edges", "nonfinite"
"""The main inputs: the examples, random ones and what lies about the edges given; extremes; ±inf and NaN."""
SITUATIONS = (
    *(f"{layout} cotangent" for layout in COTANGENT_LAYOUTS),
    "zero cotangent",
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
MOST_CHUNKS = 256
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
    budgets = attempt("the reference", lambda: derive_budgets(target.entry, sample_truth(target.case, target.entry)))
    if isinstance(budgets, Failure):
        verdict = Verdict.FAIL if target.has_reference else Verdict.UNSUPPORTED
        said = "" if target.has_reference else "without a reference it is compared with itself in float64: "
        yield from (Finding(name, verdict, f"{said}{budgets.detail}") for name in MAIN if name in wanted)
        return
    judge = Judge(target, budgets)
    known: dict[tuple[str, ...], str] = {}
    for name, builds in _checks(target, seed):
        if name in wanted:
            yield _judged(target, judge, name, builds, known)


Builds = list[tuple[Callable[[], Situation], tuple[str, ...]]]
"""Situations, each with the kinds of element that count; all of them where none is named."""


def _checks(target: Target, seed: int) -> Iterator[tuple[str, Builds]]:
    """Yield every check by name with what is to be judged for it."""
    main = cache(lambda: _main(target, seed))
    yield AGREEMENT, [(lambda: _given(target, seed), ()), (main, ("random", "far", "kinks"))]
    yield EDGES, [(main, ("edges",))]
    yield NONFINITE, [(main, ("nonfinite",))]
    for kind, build in hostile_situations(target.case, target.entry, seed):
        yield spelled(kind), [(build, ())]


def _given(target: Target, seed: int) -> Situation:
    generator = generator_for(target.case, seed, "given")
    given = tuple(tensor.cpu() for tensor in target.given)
    truth = tell_truth(target.entry, given, lambda outputs: cotangents(outputs, generator))
    return Situation("given", ((truth, Way()),))


def _main(target: Target, seed: int) -> Situation:
    """Return random inputs and every edge; random inputs alone where the edges would fill too many tensors."""
    return main_situation(target.case, target.entry, seed) if _chunks(target) <= MOST_CHUNKS else _given(target, seed)


def _chunks(target: Target) -> float:
    room = min(math.prod(shape) for shape in parse_shapes(target.case.shape, len(target.names)))
    edges = len(edges_of(target.entry.function, torch_dtype(target.case.dtype, target.name)).values)
    return min(float(MOST_EDGES), float(edges) ** len(target.names)) / max(1, room)


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
        may_refuse = check in map(spelled, OTHER_SHAPES) and " raised " in fault.said
        if fault.symptom[0] == Verdict.UNSUPPORTED or may_refuse:
            return Finding(check, Verdict.UNSUPPORTED, fault.said)
        if fault.symptom in known:
            return Finding(check, Verdict.FAIL, fault.said, same_as=known[fault.symptom])
        known[fault.symptom] = check
        shots = Shrinker(target, judge, situation, fault, kinds).smallest()
        return Finding(check, Verdict.FAIL, fault.said, *told_example(target, shots, fault))
    return Finding(check, Verdict.PASS) if was_tried else Finding(check, Verdict.NOT_APPLICABLE, "no room for it")


def _certain(target: Target, situation: Situation) -> Situation:
    """Return the situation without infinite inputs at which the reference itself gives NaN.

    A reference written down for a test, such as `x + (x.round() - x).detach()`, says nothing there.
    """
    trials = tuple((_certain_truth(target, truth), way) for truth, way in situation.trials)
    return replace(situation, trials=trials)


def _certain_truth(target: Target, truth: Truth) -> Truth:
    if not truth.is_elementwise:
        return truth
    infinite = torch.stack([tensor.isinf() for tensor in truth.inputs]).any(dim=0)
    unknown = torch.stack([tensor.isnan() for tensor in (*truth.values, *truth.gradients)]).any(dim=0) & infinite
    if not unknown.any():
        return truth
    inputs = tuple(torch.where(unknown, 1.0, tensor).to(tensor.dtype) for tensor in truth.inputs)
    kinds = None if truth.kinds is None else torch.where(unknown, 0, truth.kinds).to(truth.kinds.dtype)
    return tell_truth(target.entry, inputs, lambda _: truth.grad_outputs, kinds)
