"""What is wrong in one situation, and the smallest input that shows it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import torch
from torch import Tensor

from gradgauge.agreement import Agreement, Elementwise, compare_gradients, compare_values, judge
from gradgauge.attempts import Failure, attempt
from gradgauge.checking.excuses import Excuses
from gradgauge.checking.snippets import call_snippet, shown, trial_snippet
from gradgauge.checking.target import Target
from gradgauge.oracle import Truth, tell_truth
from gradgauge.situations import Situation
from gradgauge.trials import Trial, Way

MOST_TRIES = 100
"""So many smaller inputs are tried at most."""
FEW = 4
"""Numbers are made rounder where no more than so many elements are left."""

MENDED = ("mended",)
"""The symptom of a gradient that autograd had to make fit."""

Shot = tuple[Truth, Way]


@dataclass(frozen=True)
class Fault:
    """Something wrong. symptom: what it is, wherever it is met: smaller inputs must show the same. said: in words."""

    symptom: tuple[str, ...]
    said: str


class Judge:
    """Compares the target's call with its reference, in one situation after the other."""

    def __init__(self, target: Target, excuses: Excuses) -> None:
        self._target, self._excuses = target, excuses

    def fault(self, situation: Situation, kinds: tuple[str, ...] = ()) -> Fault | None:
        """Return what is wrong first, None where nothing is; kinds: of the elements that count, all where empty."""
        if self._excuses.strict is not self._excuses and self._fault(situation, kinds, self._excuses.strict) is None:
            return None
        return self._fault(situation, kinds, self._excuses)

    def _fault(self, situation: Situation, kinds: tuple[str, ...], excuses: Excuses) -> Fault | None:
        target = self._target
        found = attempt("it", lambda: judge(target.case, target.entry, target.call, situation, excuses))
        if isinstance(found, Failure):
            words = found.detail.split()
            return Fault((found.verdict, *words[:3]), found.detail)
        return next(self._faults(found, kinds), None)

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

    def place(self, shot: Shot, fault: Fault) -> int | None:
        """Return the flat index of the element at which the fault is worst, where it has one."""
        target, (truth, way) = self._target, shot
        trial = attempt("it", lambda: Trial(target.case, target.call, truth, way).finish())
        if isinstance(trial, Failure):
            return None
        what = fault.symptom[0]
        for index, value in enumerate(trial.values):
            if what in ("value", f"value {index}"):
                return _worst(compare_values(value, truth, index), self._excuses.of_value(truth, index))
        for index, (name, gradient) in enumerate(zip(target.names, trial.gradients, strict=True)):
            if what == f"gradient of {name}" and gradient is not None:
                return _worst(compare_gradients(gradient, truth, index), self._excuses.of_gradient(truth, index))
        return None


def _worst(found: Elementwise, excused: Tensor) -> int:
    times = torch.where(found.differs, math.inf, torch.where(found.compared, found.ulps / excused, 0.0))
    return int(times.nan_to_num(nan=math.inf, posinf=math.inf).reshape(-1).argmax())


class Shrinker:
    """Makes the inputs of a situation smaller and rounder as long as they show the same fault."""

    def __init__(
        self, target: Target, judge_: Judge, situation: Situation, fault: Fault, kinds: tuple[str, ...] = ()
    ) -> None:
        self._target, self._judge, self._situation = target, judge_, situation
        self._fault, self._kinds = fault, kinds
        self._tries = 0

    def smallest(self) -> tuple[Shot, ...]:
        """Return the trials that still show it, as few as do: one alone, or two of those that run at once."""
        shots = self._situation.trials
        fewer = [each for count in (1, 2) for each in combinations(shots, count) if count < len(shots)]
        found = next((each for each in fewer if self._shows(each)), shots)
        if len(found) > 1:
            return self._halved(found)
        return (self._rounder(self._halved((self._one_element(found[0]),))[0]),)

    def _shows(self, shots: tuple[Shot, ...]) -> bool:
        if self._tries >= MOST_TRIES:
            return False
        self._tries += 1
        situation = replace(self._situation, trials=shots, is_interleaved=len(shots) > 1)
        fault = self._judge.fault(situation, self._kinds)
        return fault is not None and fault.symptom == self._fault.symptom

    def _made(
        self, inputs: Sequence[Tensor], grads: Sequence[Tensor], way: Way, kinds: Tensor | None = None
    ) -> Shot | None:
        """Return the truth of other inputs; cotangents that do not fit the outputs become ones."""

        def fitting(outputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
            alike = len(outputs) == len(grads) and all(
                out.shape == grad.shape for out, grad in zip(outputs, grads, strict=True)
            )
            return tuple(grads) if alike else tuple(torch.ones_like(output) for output in outputs)

        truth = attempt("the reference", lambda: tell_truth(self._target.entry, tuple(inputs), fitting, kinds))
        return None if isinstance(truth, Failure) else (truth, way)

    def _take(self, shot: Shot, candidate: Shot | None) -> Shot:
        return candidate if candidate is not None and self._shows((candidate,)) else shot

    def _one_element(self, shot: Shot) -> Shot:
        """Return one element in a tensor of its own, where the fault does not hang on the others."""
        truth, way = shot
        place = self._judge.place(shot, self._fault) if truth.is_elementwise else None
        if place is None:
            return shot
        inputs = [tensor.reshape(-1)[place : place + 1] for tensor in truth.inputs]
        grads = [grad.reshape(-1)[place : place + 1] for grad in truth.grad_outputs]
        kinds = None if truth.kinds is None else truth.kinds.reshape(-1)[place : place + 1]
        plain = Way(asked=way.asked, records_graph=way.records_graph)
        return self._take(shot, self._made(inputs, grads, plain, kinds))

    def _halved(self, shots: tuple[Shot, ...]) -> tuple[Shot, ...]:
        """Return the shots with each dimension cut to a half, again and again, as far as that goes."""
        has_shrunk = True
        while has_shrunk:
            has_shrunk = False
            for position in range(1, max(tensor.dim() for tensor in shots[0][0].inputs) + 1):
                for half in (0, 1):
                    cut = [self._cut(truth, way, position, half) for truth, way in shots]
                    smaller = tuple(shot for shot in cut if shot is not None)
                    if len(smaller) == len(shots) and self._shows(smaller):
                        has_shrunk, shots = True, smaller
        return shots

    def _cut(self, truth: Truth, way: Way, position: int, half: int) -> Shot | None:
        """Return one half of every tensor along a dimension counted from the last, of those that are widest there."""
        widest = max(tensor.shape[-position] for tensor in truth.inputs if tensor.dim() >= position)
        if widest < 2:
            return None

        def cut(tensor: Tensor) -> Tensor:
            if tensor.dim() < position or tensor.shape[-position] != widest:
                return tensor
            start, length = (0, widest // 2) if half == 0 else (widest // 2, widest - widest // 2)
            return tensor.narrow(-position, start, length).contiguous()

        inputs, grads = [cut(tensor) for tensor in truth.inputs], [cut(grad) for grad in truth.grad_outputs]
        return self._made(inputs, grads, way, None if truth.kinds is None else cut(truth.kinds))

    def _rounder(self, shot: Shot) -> Shot:
        """Return the shot with cotangents of one, and inputs of few digits."""
        truth, way = shot
        ones = [torch.ones_like(grad) for grad in truth.grad_outputs]
        shot = self._take(shot, self._made(truth.inputs, ones, way, truth.kinds))
        truth = shot[0]
        if sum(tensor.numel() for tensor in truth.inputs) > FEW:
            return shot
        for digits in (1, 2, 3):
            rounded = [_with_digits(tensor, digits) for tensor in truth.inputs]
            simpler = self._take(shot, self._made(rounded, truth.grad_outputs, way, truth.kinds))
            if simpler is not shot:
                return simpler
        return shot


def _with_digits(tensor: Tensor, digits: int) -> Tensor:
    numbers = [float(f"{value:.{digits - 1}e}") for value in tensor.double().reshape(-1).tolist()]
    return torch.tensor(numbers, dtype=torch.float64).to(tensor.dtype).reshape(tensor.shape)


def told_example(target: Target, shots: Sequence[Shot], fault: Fault) -> tuple[str, str]:
    """Return the smallest input with what is right and what was found, and the snippet that shows it."""
    trials = []
    for truth, way in shots:
        trial = attempt("it", lambda truth=truth, way=way: Trial(target.case, target.call, truth, way))  # type: ignore[misc]
        if isinstance(trial, Failure):
            return _given(target, truth, way), call_snippet(target, truth, way)
        trials.append(trial)
    texts: list[str] = []
    for trial in trials:
        attempt("its backward", trial.finish)
        lines = [_given(target, trial.truth, trial.way, len(texts) + 1 if len(shots) > 1 else 0)]
        if fault.symptom[0].startswith("value"):
            lines += _rows("value", trial.truth.values, trial.values)
        for name, right, got in zip(target.names, trial.truth.gradients, trial.gradients, strict=False):
            if got is not None and fault.symptom[0] == f"gradient of {name}":
                lines += _rows(f"gradient of {name}", [right], [got])
        texts.append("\n".join(lines))
    return "\n".join(texts), trial_snippet(target, trials)


def _given(target: Target, truth: Truth, way: Way, call: int = 0) -> str:
    inputs = ", ".join(f"{name} = {shown(tensor)}" for name, tensor in zip(target.names, truth.inputs, strict=True))
    layout = way.input_layout if isinstance(way.input_layout, str) else " and ".join(way.input_layout)
    said = f" ({layout})" if layout else ""
    grads = ", ".join(shown(grad) for grad in truth.grad_outputs)
    grad_layout = "" if way.grad_output_layout == "contiguous" else f" ({way.grad_output_layout})"
    what = f"call {call} of those that show it" if call else "smallest input that shows it"
    return f"{what}: {inputs}{said}, cotangent {grads}{grad_layout}"


def _rows(what: str, right: Sequence[Tensor], got: Sequence[Tensor]) -> list[str]:
    rows = []
    for index, (true, found) in enumerate(zip(right, got, strict=True)):
        name = f"{what} {index}" if len(right) > 1 else what
        rows.append(f"  {name}: expected {shown(true)}, found {shown(found)}")
    return rows
