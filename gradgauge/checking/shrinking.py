"""The smallest input that shows a fault: fewer calls, fewer elements, rounder numbers."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import torch
from torch import Tensor

from gradgauge.attempts import Failure, attempt
from gradgauge.checking.faults import Fault, Judge, Shot
from gradgauge.checking.target import Target
from gradgauge.oracle import Truth, tell_truth
from gradgauge.situations import Situation
from gradgauge.trials import Way

MOST_TRIES = 100
"""So many smaller inputs are tried at most."""
FEW = 4
"""Numbers are made rounder where no more than so many elements are left."""


class Shrinker:
    """Makes the inputs of a situation smaller and rounder as long as they show the same fault."""

    def __init__(
        self,
        target: Target,
        judge_: Judge,
        situation: Situation,
        fault: Fault,
        kinds: tuple[str, ...] = (),
        seconds: float = math.inf,
    ) -> None:
        """seconds: after which no smaller input is tried."""
        self._target, self._judge, self._situation = target, judge_, situation
        self._fault, self._kinds = fault, kinds
        self._tries, self._until = 0, time.monotonic() + seconds

    def smallest(self) -> tuple[Shot, ...]:
        """Return the trials that still show it, as few as do: one alone, or two of those that run at once."""
        shots = self._situation.trials
        fewer = [each for count in (1, 2) for each in combinations(shots, count) if count < len(shots)]
        found = next((each for each in fewer if self._shows(each)), shots)
        if len(found) > 1:
            return self._halved(found)
        return (self._rounder(self._flat(self._halved((self._one_element(found[0]),))[0])),)

    def filled(self) -> tuple[Shot, ...]:
        """Return one trial of the same shape whose elements are all the worst one, if that shows it; else all trials.

        Code compiled for the shape serves for it.
        """
        for truth, way in self._situation.trials:
            place = self._judge.place((truth, way), self._fault, self._kinds) if truth.is_elementwise else None
            if place is not None:
                inputs, grads = (
                    [torch.full_like(tensor, float(tensor.reshape(-1)[place])) for tensor in tensors]
                    for tensors in (truth.inputs, truth.grad_outputs)
                )
                kinds = truth.kinds
                if kinds is not None:
                    kinds = torch.full_like(kinds, int(kinds.reshape(-1)[place]))
                for sent in ([torch.ones_like(grad) for grad in grads], grads):
                    shot = self._made(inputs, sent, way, kinds)
                    if shot is not None and self._shows((shot,)):
                        return (shot,)
        return self._situation.trials

    def _shows(self, shots: tuple[Shot, ...]) -> bool:
        if self._tries >= MOST_TRIES or time.monotonic() > self._until:
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
        place = self._judge.place(shot, self._fault, self._kinds) if truth.is_elementwise else None
        if place is None:
            return shot
        inputs = [tensor.reshape(-1)[place : place + 1] for tensor in truth.inputs]
        grads = [grad.reshape(-1)[place : place + 1] for grad in truth.grad_outputs]
        kinds = None if truth.kinds is None else truth.kinds.reshape(-1)[place : place + 1]
        plain = Way(asked=way.asked, records_graph=way.records_graph)
        return self._take(shot, self._made(inputs, grads, plain, kinds))

    def _flat(self, shot: Shot) -> Shot:
        """Return what is left of one element in one dimension, where that shows it, too."""
        truth, way = shot
        if not all(tensor.numel() == 1 and tensor.dim() > 1 for tensor in (*truth.inputs, *truth.grad_outputs)):
            return shot
        inputs, grads = ([tensor.reshape(1) for tensor in each] for each in (truth.inputs, truth.grad_outputs))
        return self._take(shot, self._made(inputs, grads, way, None if truth.kinds is None else truth.kinds.reshape(1)))

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
        plain = [[torch.ones_like(grad) for grad in truth.grad_outputs]]
        if sum(grad.numel() for grad in truth.grad_outputs) <= FEW:
            plain += [[_with_digits(grad, digits) for grad in truth.grad_outputs] for digits in (1, 2)]
        for grads in plain:
            simpler = self._take(shot, self._made(truth.inputs, grads, way, truth.kinds))
            if simpler is not shot:
                shot = simpler
                break
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
