"""The four passes: what is built outside the timed region, and what runs inside it.

Freeing lies inside the timed region, in every pass alike: each call's outputs (and its graph, where it has one)
are dropped before the next call begins, as a training loop drops them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from gradgauge.calling import Call, outputs_of
from gradgauge.cases import Case
from gradgauge.lending import Lender
from gradgauge.timing import USUAL, TimingProtocol

BATCH_BYTES = 256 * 2**20
"""What the graphs and cotangents that one round consumes may occupy."""

MOST_ITERATIONS = 10_000

WARM_UP_CALLS = 3
"""How often a pass is called before anything is timed or captured."""

Inputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class Subject:
    """A case that is ready to run.

    inputs: leaves; grad_outputs: one for each output, shared in value by a block.
    protocol: how it is timed.
    copies: more leaves of the same values, for a protocol whose calls must not find their inputs in a cache.
    """

    case: Case
    call: Call
    inputs: Inputs
    grad_outputs: tuple[Tensor, ...]
    protocol: TimingProtocol = USUAL
    copies: tuple[Inputs, ...] = ()

    @property
    def key(self) -> tuple[Case, TimingProtocol]:
        """Return what tells it from every other subject of its block."""
        return self.case, self.protocol

    def rotation(self, iterations: int) -> Iterable[Inputs]:
        """Return the inputs of so many calls: always the same ones, or one copy after the other."""
        return self.copies[:iterations] if self.copies else repeat(self.inputs, iterations)


@dataclass(frozen=True)
class Pass:
    """How a pass is timed. prepare: iterations → a batch, untimed; run: consumes the batch, timed.

    mode: the context that `run` needs, entered and left outside the timed region.
    """

    prepare: Callable[[int], Any]
    run: Callable[[Any], None]
    most_iterations: int = MOST_ITERATIONS
    mode: Callable[[], AbstractContextManager[Any]] = nullcontext

    def call(self, iterations: int = 1) -> None:
        """Prepare and run a batch that nobody times."""
        batch = self.prepare(iterations)
        with self.mode():
            self.run(batch)


Differentiate = Callable[..., None]
"""Runs a backward: outputs, one cotangent for each → gradients in `.grad`; takes `retain_graph`."""


def pass_of(subject: Subject, differentiate: Differentiate = torch.autograd.backward) -> Pass:
    """Return the pass that the subject's case names, under its protocol.

    differentiate: PyTorch's own, but where the harness is measured without it.
    """
    if len(subject.grad_outputs) > 1:
        differentiate = _skipping_the_constant(differentiate)
    pass_ = _BUILDERS[subject.case.pass_](subject, differentiate)
    if not subject.copies:
        return pass_
    return replace(pass_, most_iterations=min(pass_.most_iterations, len(subject.copies)))


def _skipping_the_constant(differentiate: Differentiate) -> Differentiate:
    """Return it for what may have outputs without a gradient, such as indices."""

    def skip(outputs: tuple[Tensor, ...], grad_outputs: tuple[Tensor, ...], **named: bool) -> None:
        pairs = [(out, grad) for out, grad in zip(outputs, grad_outputs, strict=True) if out.requires_grad]
        outs, grads = zip(*pairs, strict=True) if pairs else ((), ())
        differentiate(outs, grads, **named)

    return skip


def _inference(subject: Subject, _: Differentiate) -> Pass:
    call = subject.call

    def run(batch: Iterable[Inputs]) -> None:
        for inputs in batch:
            call(*inputs)

    return Pass(subject.rotation, run, mode=torch.inference_mode)


def _forward(subject: Subject, _: Differentiate) -> Pass:
    call = subject.call

    def run(batch: Iterable[Inputs]) -> None:
        for inputs in batch:
            call(*inputs)

    return Pass(subject.rotation, run)


def _backward(subject: Subject, differentiate: Differentiate) -> Pass:
    if subject.protocol.backward == "retained":
        return _retained_backward(subject, differentiate)
    call, start_anew, finish = subject.call, _start_of(subject), _finish_of(subject)
    lend = Lender(subject.grad_outputs, cold=subject.protocol.cache == "cold").lend

    def prepare(iterations: int) -> list[tuple[Inputs, tuple[Tensor, ...], Inputs]]:
        start_anew(iterations)
        rotation = zip(subject.rotation(iterations), lend(iterations), strict=True)
        batch = [(outputs_of(call(*inputs)), grad_outputs, inputs) for inputs, grad_outputs in rotation]
        if subject.copies:
            batch.reverse()  # consumed from its end: the graph that was built first, and is coldest, comes first
        return batch

    def run(batch: list[tuple[Inputs, tuple[Tensor, ...], Inputs]]) -> None:
        while batch:
            outputs, grad_outputs, inputs = batch.pop()
            differentiate(outputs, grad_outputs)
            finish(inputs)

    return Pass(prepare, run, _iterations_within_memory(subject, tensors_per_iteration=6))


def _retained_backward(subject: Subject, differentiate: Differentiate) -> Pass:
    graph: list[tuple[Tensor, ...]] = []  # one, made when the first round needs it
    lend = Lender(subject.grad_outputs, cold=subject.protocol.cache == "cold").lend

    def prepare(iterations: int) -> list[tuple[Tensor, ...]]:
        clear_gradients(subject.inputs)
        if not graph:
            graph.append(outputs_of(subject.call(*subject.inputs)))
        return list(lend(iterations))

    def run(batch: list[tuple[Tensor, ...]]) -> None:
        outputs, inputs = graph[0], subject.inputs
        while batch:
            differentiate(outputs, batch.pop(), retain_graph=True)
            clear_gradients(inputs)

    return Pass(prepare, run, _iterations_within_memory(subject, tensors_per_iteration=1))


def _forward_backward(subject: Subject, differentiate: Differentiate) -> Pass:
    call, start_anew, finish = subject.call, _start_of(subject), _finish_of(subject)
    lend = Lender(subject.grad_outputs, cold=subject.protocol.cache == "cold").lend

    def prepare(iterations: int) -> list[tuple[tuple[Tensor, ...], Inputs]]:
        start_anew(iterations)
        return list(zip(lend(iterations), subject.rotation(iterations), strict=True))

    def run(batch: list[tuple[tuple[Tensor, ...], Inputs]]) -> None:
        while batch:
            grad_outputs, inputs = batch.pop()
            differentiate(outputs_of(call(*inputs)), grad_outputs)
            finish(inputs)

    return Pass(prepare, run, _iterations_within_memory(subject, tensors_per_iteration=1))


_BUILDERS: dict[str, Callable[[Subject, Differentiate], Pass]] = {
    "inference": _inference,
    "forward": _forward,
    "backward": _backward,
    "forward_backward": _forward_backward,
}


def clear_gradients(inputs: Inputs) -> None:
    """Set `.grad` of every input to None, or the next backward would time an accumulation."""
    for tensor in inputs:
        tensor.grad = None


def _start_of(subject: Subject) -> Callable[[int], None]:
    """Return what a round of so many calls begins with, untimed: no gradient, or one of zeros to accumulate into."""

    def start_anew(iterations: int) -> None:
        for inputs in subject.copies[:iterations] or (subject.inputs,):
            clear_gradients(inputs)
            if subject.protocol.backward == "accumulating":
                for tensor in inputs:
                    tensor.grad = torch.zeros_like(tensor)

    return start_anew


def _finish_of(subject: Subject) -> Callable[[Inputs], None]:
    """Return what a call ends with: its gradients dropped, as an optimizer's `zero_grad` does, or left to grow."""
    return _leave if subject.protocol.backward == "accumulating" else clear_gradients


def _leave(_: Inputs) -> None:
    pass


def _iterations_within_memory(subject: Subject, tensors_per_iteration: int) -> int:
    each = max(
        sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        for tensors in (subject.inputs, subject.grad_outputs)
    )
    return max(1, min(MOST_ITERATIONS, BATCH_BYTES // max(1, each * tensors_per_iteration)))
