"""The four passes: what is built outside the timed region, and what runs inside it.

Freeing lies inside the timed region, in every pass alike: each call's outputs (and its graph, where it has one)
are dropped before the next call begins, as a training loop drops them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradgauge.calling import Call, outputs_of
from gradgauge.cases import Case

BATCH_BYTES = 256 * 2**20
"""What the graphs and cotangents that one round consumes may occupy."""


@dataclass(frozen=True)
class Subject:
    """A case that is ready to run. inputs: leaves; grad_outputs: one for each output, shared in value by a block."""

    case: Case
    call: Call
    inputs: tuple[Tensor, ...]
    grad_outputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class Pass:
    """How a pass is timed. prepare: iterations → a batch, untimed; run: consumes the batch, timed."""

    prepare: Callable[[int], Any]
    run: Callable[[Any], None]
    most_iterations: int


def pass_of(subject: Subject) -> Pass:
    """Return the pass that the subject's case names."""
    return _BUILDERS[subject.case.pass_](subject)


def _inference(subject: Subject) -> Pass:
    call, inputs = subject.call, subject.inputs

    def run(batch: range) -> None:
        with torch.inference_mode():
            for _ in batch:
                call(*inputs)

    return Pass(range, run, most_iterations=10_000)


def _forward(subject: Subject) -> Pass:
    call, inputs = subject.call, subject.inputs

    def run(batch: range) -> None:
        for _ in batch:
            call(*inputs)

    return Pass(range, run, most_iterations=10_000)


def _backward(subject: Subject) -> Pass:
    call, inputs = subject.call, subject.inputs

    def prepare(iterations: int) -> list[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]]:
        clear_gradients(inputs)
        return [(outputs_of(call(*inputs)), _clones(subject.grad_outputs)) for _ in range(iterations)]

    def run(batch: list[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]]) -> None:
        while batch:
            outputs, grad_outputs = batch.pop()
            torch.autograd.backward(outputs, grad_outputs)
            clear_gradients(inputs)

    return Pass(prepare, run, _iterations_within_memory(subject, tensors_per_iteration=6))


def _forward_backward(subject: Subject) -> Pass:
    call, inputs = subject.call, subject.inputs

    def prepare(iterations: int) -> list[tuple[Tensor, ...]]:
        clear_gradients(inputs)
        return [_clones(subject.grad_outputs) for _ in range(iterations)]

    def run(batch: list[tuple[Tensor, ...]]) -> None:
        while batch:
            torch.autograd.backward(outputs_of(call(*inputs)), batch.pop())
            clear_gradients(inputs)

    return Pass(prepare, run, _iterations_within_memory(subject, tensors_per_iteration=1))


_BUILDERS: dict[str, Callable[[Subject], Pass]] = {
    "inference": _inference,
    "forward": _forward,
    "backward": _backward,
    "forward_backward": _forward_backward,
}


def clear_gradients(inputs: tuple[Tensor, ...]) -> None:
    """Set `.grad` of every input to None, or the next backward would time an accumulation."""
    for tensor in inputs:
        tensor.grad = None


def _clones(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    # A backward may write into its grad_output; nobody else may see that.
    return tuple(tensor.clone() for tensor in tensors)


def _iterations_within_memory(subject: Subject, tensors_per_iteration: int) -> int:
    each = sum(tensor.numel() * tensor.element_size() for tensor in subject.grad_outputs)
    return max(1, min(10_000, BATCH_BYTES // max(1, each * tensors_per_iteration)))
