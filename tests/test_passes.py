from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge.cases import PASSES
from gradgauge.passes import BATCH_BYTES, Subject, clear_gradients, pass_of
from tests.fakes import a_case, one, spying, twice

WITH_BACKWARD = ("backward", "forward_backward")


def a_subject(pass_: str, call: Callable[..., Any], *shapes: tuple[int, ...]) -> Subject:
    inputs = tuple(torch.ones(shape, requires_grad=True) for shape in shapes or ((3,),))
    return Subject(a_case(pass_=pass_), call, inputs, (torch.full((3,), 2.0),))


def run(subject: Subject, iterations: int) -> None:
    pass_ = pass_of(subject)
    pass_.run(pass_.prepare(iterations))


@pytest.mark.parametrize("pass_", PASSES)
def test_each_iteration_is_one_call(pass_: str) -> None:
    calls: list[int] = []
    run(a_subject(pass_, spying(calls, one, twice)), 5)
    assert len(calls) == 5


@pytest.mark.parametrize(
    ("pass_", "timed"), [("inference", 5), ("forward", 5), ("backward", 0), ("forward_backward", 5)]
)
def test_only_the_backward_pass_builds_its_graphs_before_the_timed_region(pass_: str, timed: int) -> None:
    calls: list[int] = []
    pass_in_hand = pass_of(a_subject(pass_, spying(calls, one, twice)))
    batch = pass_in_hand.prepare(5)
    before = len(calls)
    pass_in_hand.run(batch)
    assert len(calls) - before == timed
    assert len(calls) == 5


@pytest.mark.parametrize(("pass_", "inference"), [("inference", True), ("forward", False), ("forward_backward", False)])
def test_only_inference_runs_in_inference_mode(pass_: str, inference: bool) -> None:
    seen = []

    def call(x: Tensor) -> Tensor:
        seen.append((torch.is_inference_mode_enabled(), torch.is_grad_enabled()))
        return 2 * x

    run(a_subject(pass_, call), 2)
    assert seen == [(inference, not inference)] * 2


@pytest.mark.parametrize("pass_", WITH_BACKWARD)
def test_a_gradient_left_over_is_cleared_before_each_backward_and_after(pass_: str) -> None:
    found: list[Tensor | None] = []

    class Spy(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return 2 * x

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            found.append(subject.inputs[0].grad)
            return 2 * grad_output

    subject = a_subject(pass_, Spy.apply)
    subject.inputs[0].grad = torch.ones(3)
    run(subject, 4)
    assert found == [None] * 4
    assert subject.inputs[0].grad is None


@pytest.mark.parametrize("pass_", WITH_BACKWARD)
def test_every_backward_runs_and_brings_every_input_its_gradient(pass_: str) -> None:
    gradients: list[list[float]] = []
    subject = a_subject(pass_, lambda a, b: a * (3 * b), (3,), (3,))

    def note(leaf: Tensor) -> None:
        assert leaf.grad is not None
        gradients.append(leaf.grad.tolist())

    for tensor in subject.inputs:
        tensor.register_post_accumulate_grad_hook(note)  # type: ignore[no-untyped-call]
    run(subject, 2)
    assert gradients == [[6.0] * 3] * 4
    assert all(tensor.grad is None for tensor in subject.inputs)


@pytest.mark.parametrize("pass_", WITH_BACKWARD)
def test_every_iteration_has_a_graph_of_its_own(pass_: str) -> None:
    nodes = []

    def call(x: Tensor) -> Tensor:
        y = x * x
        nodes.append(y.grad_fn)  # kept alive, so that no address is used twice
        return y

    run(a_subject(pass_, call), 4)
    assert len(set(nodes)) == 4
    for node in nodes:  # each one was run through, which frees what it saved
        with pytest.raises(RuntimeError, match="after they have already been freed"):
            _ = node._saved_self  # type: ignore[union-attr]


@pytest.mark.parametrize("pass_", WITH_BACKWARD)
def test_a_backward_that_writes_into_its_cotangent_harms_nobody(pass_: str) -> None:
    seen: list[list[float]] = []

    class Vandal(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return 2 * x

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            seen.append(grad_output.tolist())
            return grad_output.mul_(-7)

    subject = a_subject(pass_, Vandal.apply)
    run(subject, 3)
    assert seen == [[2.0] * 3] * 3
    assert subject.grad_outputs[0].tolist() == [2.0] * 3


def test_a_pass_that_keeps_graphs_takes_no_more_iterations_than_memory_allows() -> None:
    large = torch.ones(2**20)  # 4 MiB of float32

    def most(pass_: str) -> int:
        return pass_of(Subject(a_case(pass_=pass_), torch.relu, (large,), (large,))).most_iterations

    assert most("forward_backward") == BATCH_BYTES // 2**22 == 64
    assert most("backward") == BATCH_BYTES // (6 * 2**22)
    assert most("inference") == most("forward") == 10_000


def test_there_is_always_room_for_one_iteration() -> None:
    huge = torch.ones(1).expand(2**30)  # 4 GiB to look at, 4 bytes in memory
    assert pass_of(Subject(a_case(pass_="backward"), torch.relu, (huge,), (huge,))).most_iterations == 1
    assert pass_of(Subject(a_case(pass_="backward"), torch.relu, (), (torch.ones(0),))).most_iterations == 10_000


def test_clearing_sets_every_gradient_to_none() -> None:
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.zeros(2)
    clear_gradients((x,))
    assert x.grad is None
