"""What is wrong in one situation, and how it is told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradgauge.agreement import Agreement, Elementwise, compare_gradients, compare_values, judge
from gradgauge.atlas import KINDS
from gradgauge.attempts import Failure, attempt
from gradgauge.checking.snippets import example_call, numbers_of, source_of
from gradgauge.checking.target import Target
from gradgauge.error_budgets import Budgets
from gradgauge.examples import Example, ExampleCall, Given, Outcome, shown
from gradgauge.oracle import Truth
from gradgauge.situations import Situation
from gradgauge.snippets import write_snippet
from gradgauge.trials import Trial, Way

MENDED = ("mended",)
"""The symptom of a gradient that autograd had to make fit."""

OVERWRITTEN = ("overwritten",)
"""What the symptom of a call that writes into the caller's tensors begins with."""

Shot = tuple[Truth, Way]


@dataclass(frozen=True)
class Fault:
    """Something wrong. symptom: what it is, wherever it is met: smaller inputs must show the same. said: in words."""

    symptom: tuple[str, ...]
    said: str


class Judge:
    """Compares the target's call with its reference, in one situation after the other."""

    def __init__(self, target: Target, excuses: Budgets, symptom: tuple[str, ...] = ()) -> None:
        """symptom: how the one to look for begins, whatever else is wrong; any where empty."""
        self._target, self._excuses, self._symptom = target, excuses, symptom

    def fault(self, situation: Situation, kinds: tuple[str, ...] = ()) -> Fault | None:
        """Return what is wrong first, None where nothing is; kinds: of the elements that count, all where empty."""
        if self._excuses.strict is not self._excuses and self._fault(situation, kinds, self._excuses.strict) is None:
            return None
        return self._fault(situation, kinds, self._excuses)

    def _fault(self, situation: Situation, kinds: tuple[str, ...], excuses: Budgets) -> Fault | None:
        target = self._target
        found = attempt("it", lambda: judge(target.case, target.entry, target.call, situation, excuses))
        if isinstance(found, Failure):
            words = found.detail.split()
            return Fault((found.verdict, *words[:3]), found.detail)
        faults = self._faults(found, kinds)
        return next((fault for fault in faults if fault.symptom[: len(self._symptom)] == self._symptom), None)

    def _faults(self, found: Agreement, wanted: tuple[str, ...]) -> Iterator[Fault]:
        several = len(found.values) > 1
        parts = [(f"value {index}" if several else "value", part) for index, part in enumerate(found.values)]
        parts += [(f"gradient of {name}", part) for name, part in zip(self._target.names, found.gradients, strict=True)]
        for what, kinds in parts:
            for kind, comparison in kinds.items():
                if wanted and kind not in wanted:
                    continue
                if not comparison.is_within_budget:
                    yield Fault((what, "error"), f"the {what}: {comparison.worst}")
                if comparison.nonfinite:
                    many = f"{comparison.nonfinite} of {comparison.elements} elements"
                    yield Fault((what, "finiteness"), f"the {what}, in {many}: {comparison.worst_nonfinite}")
        for each in found.overwritten:
            yield Fault(("overwritten", each), f"writes into its {each}, which belongs to the caller")
        for each in found.mended:
            yield Fault(MENDED, each)

    def place(self, shot: Shot, fault: Fault, kinds: tuple[str, ...] = ()) -> int | None:
        """Return the flat index of the element, of these kinds, at which the fault is worst, where it has one."""
        target, (truth, way) = self._target, shot
        trial = attempt("it", lambda: Trial(target.case, target.call, truth, way).finish())
        if isinstance(trial, Failure):
            return None
        what, counts = fault.symptom[0], _of_kinds(truth, kinds)
        for index, value in enumerate(trial.values):
            if what in ("value", f"value {index}"):
                return _worst(compare_values(value, truth, index), self._excuses.of_value(truth, index), counts)
        for index, (name, gradient) in enumerate(zip(target.names, trial.gradients, strict=True)):
            if what == f"gradient of {name}" and gradient is not None:
                return _worst(
                    compare_gradients(gradient, truth, index), self._excuses.of_gradient(truth, index), counts
                )
        return None


def _of_kinds(truth: Truth, kinds: tuple[str, ...]) -> Tensor:
    """Return which elements are of one of the kinds; all where they have none."""
    codes = [KINDS.index(kind) for kind in kinds if kind in KINDS]
    if truth.kinds is None or not codes:
        return torch.ones((), dtype=torch.bool)
    return torch.isin(truth.kinds, torch.tensor(codes, dtype=truth.kinds.dtype))


def _worst(found: Elementwise, excused: Tensor, counts: Tensor) -> int:
    times = torch.where(found.differs, math.inf, torch.where(found.compared, found.ulps / excused, 0.0))
    times = times.nan_to_num(nan=math.inf, posinf=math.inf)
    return int(torch.where(counts, times, -1.0).reshape(-1).argmax())


def example_of(target: Target, shots: Sequence[Shot], fault: Fault) -> Example:
    """Return the calls that show the fault, with what is right and what was found."""
    found = [attempt("it", lambda shot=shot: Trial(target.case, target.call, *shot)) for shot in shots]  # type: ignore[misc]
    device, shows = (
        target.case.device.partition(":")[0],
        " ".join(fault.symptom if fault.symptom[:1] in (MENDED, OVERWRITTEN) else ()),
    )
    trials = [trial for trial in found if isinstance(trial, Trial)]
    if len(trials) < len(found):
        raising = next(shot for shot, trial in zip(shots, found, strict=True) if isinstance(trial, Failure))
        return Example((_not_returned(target, *raising),), device)
    for trial in trials:
        attempt("its backward", trial.finish)
    if fault.symptom[0].startswith(("value", "gradient")):
        shows = fault.symptom[0]
    return Example(tuple(example_call(target.names, trial) for trial in trials), device, shows)


def _not_returned(target: Target, truth: Truth, way: Way) -> ExampleCall:
    layouts = way.input_layout or "contiguous"
    each = (layouts,) * len(truth.inputs) if isinstance(layouts, str) else layouts
    asked = way.asked or (True,) * len(truth.inputs)
    given = zip(target.names, truth.inputs, each, asked, strict=True)
    return ExampleCall(tuple(Given(name, numbers_of(tensor), layout, asks) for name, tensor, layout, asks in given))


def told_example(target: Target, shots: Sequence[Shot], fault: Fault) -> tuple[str, str]:
    """Return the smallest input with what is right and what was found, and the snippet that shows it."""
    example = example_of(target, shots, fault)
    texts = []
    for number, (call, (_, way)) in enumerate(zip(example.calls, shots, strict=False), 1):
        lines = [_given(call, way, number if len(example.calls) > 1 else 0)]
        if example.shows.startswith("value"):
            lines += _rows("value", call.values)
        for given, gradient in zip(call.inputs, call.gradients, strict=False):
            if gradient and gradient.found and example.shows == f"gradient of {given.name}":
                lines += _rows(example.shows, [gradient])
        texts.append("\n".join(lines))
    return "\n".join(texts), write_snippet(example, source_of(target))


def _given(call: ExampleCall, way: Way, number: int = 0) -> str:
    inputs = ", ".join(f"{given.name} = {shown(given.numbers)}" for given in call.inputs)
    layout = way.input_layout if isinstance(way.input_layout, str) else " and ".join(way.input_layout)
    said = f" ({layout})" if layout else ""
    grads = ", ".join(shown(grad) for grad in call.grad_outputs if grad)
    grad_layout = "" if way.grad_output_layout == "contiguous" else f" ({way.grad_output_layout})"
    what = f"call {number} of those that show it" if number else "smallest input that shows it"
    return f"{what}: {inputs}{said}{f', cotangent {grads}{grad_layout}' if grads else ''}"


def _rows(what: str, outcomes: Sequence[Outcome]) -> list[str]:
    rows = []
    for index, outcome in enumerate(outcomes):
        name = f"{what} {index}" if len(outcomes) > 1 else what
        rows.append(f"  {name}: expected {shown(outcome.right)}, found {shown(outcome.found or outcome.right)}")
    return rows
