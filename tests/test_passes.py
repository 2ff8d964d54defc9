from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from gradgauge.cases import PASSES
from gradgauge.lending import TRIAL_BATCHES
from gradgauge.passes import BATCH_BYTES, Pass, Subject, clear_gradients, pass_of
from gradgauge.timing import TimingProtocol
from gradgauge.traffic import moved_bytes
from tests.fakes import a_case, one, spying, twice

WITH_BACKWARD = ("backward", "forward_backward")


def a_subject(pass_: str, call: Callable[..., Any], *shapes: tuple[int, ...]) -> Subject:
    inputs = tuple(torch.ones(shape, requires_grad=True) for shape in shapes or ((3,),))
    return Subject(a_case(pass_=pass_), call, inputs, (torch.full((3,), 2.0),))


def run(subject: Subject, iterations: int) -> None:
    pass_ = pass_of(subject)
    pass_.call(iterations)


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


def under(protocol: str, call: Callable[..., Any], cache: str = "warm", copies: int = 0) -> Subject:
    """Return a backward subject timed so, its inputs ones and its cotangent twos."""
    subject = a_subject("backward", call)
    more = tuple((torch.ones(3, requires_grad=True),) for _ in range(copies))
    return replace(subject, protocol=TimingProtocol(cache=cache, backward=protocol), copies=more)


class Watched:
    """A squaring whose backward notes what a planted fault would change: its graph, and whether `.grad` was None."""

    def __init__(self) -> None:
        self.graphs: list[int] = []
        self.found_grad: list[bool] = []
        self.leaves: list[Tensor] = []
        watched = self

        class Square(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Tensor) -> Tensor:
                ctx.save_for_backward(x)
                ctx.serial = watched.forwards = watched.forwards + 1
                return x * x

            @staticmethod
            def backward(ctx: Any, grad_output: Tensor) -> Tensor:
                (x,) = ctx.saved_tensors
                watched.graphs.append(ctx.serial)
                watched.found_grad.append(any(leaf.grad is not None for leaf in watched.leaves))
                gradient: Tensor = 2 * x * grad_output
                return gradient

        self.forwards = 0
        self.call = Square.apply


def check_fresh(subject: Subject, watched: Watched, pass_: Pass) -> None:
    """Demand of a pass that every backward has a graph of its own and finds no gradient."""
    watched.leaves = [leaf for inputs in (subject.inputs, *subject.copies) for leaf in inputs]
    for _ in range(2):
        pass_.run(pass_.prepare(3))
    assert len(watched.graphs) == 6, "not every iteration ran a backward"
    assert len(set(watched.graphs)) == 6, "a graph was used twice"
    assert not any(watched.found_grad), "a gradient was accumulated"


@pytest.mark.parametrize("pass_", WITH_BACKWARD)
def test_the_usual_protocol_passes_the_check_for_fresh_graphs(pass_: str) -> None:
    watched = Watched()
    subject = replace(a_subject(pass_, watched.call), protocol=TimingProtocol(backward="fresh"))
    check_fresh(subject, watched, pass_of(subject))


@pytest.mark.parametrize(
    ("protocol", "fault"), [("retained", "a graph was used twice"), ("accumulating", "a gradient was accumulated")]
)
def test_that_check_catches_a_pass_that_reuses_a_graph_and_one_that_accumulates(protocol: str, fault: str) -> None:
    watched = Watched()
    subject = under(protocol, watched.call)
    with pytest.raises(AssertionError, match=fault):
        check_fresh(subject, watched, pass_of(subject))


def test_that_check_catches_a_pass_that_runs_no_backward() -> None:
    watched = Watched()
    subject = under("fresh", watched.call)
    lazy = replace(pass_of(subject), run=lambda _: None)
    with pytest.raises(AssertionError, match="not every iteration"):
        check_fresh(subject, watched, lazy)


def test_a_retained_graph_is_built_once_and_gives_the_same_gradient_each_time() -> None:
    gradients: list[list[float]] = []
    calls: list[int] = []
    subject = under("retained", spying(calls, one, lambda x: x * x))
    subject.inputs[0].register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]
        lambda leaf: gradients.append(leaf.grad.tolist())
    )
    pass_ = pass_of(subject)
    for _ in range(2):
        pass_.run(pass_.prepare(2))
    assert len(calls) == 1
    assert gradients == [[4.0] * 3] * 4


def test_accumulating_adds_up_within_a_round_and_starts_from_zeros_in_the_next() -> None:
    gradients: list[list[float]] = []
    subject = under("accumulating", lambda x: x * x)
    subject.inputs[0].register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]
        lambda leaf: gradients.append(leaf.grad.tolist())
    )
    pass_ = pass_of(subject)
    for _ in range(2):
        pass_.run(pass_.prepare(2))
    assert gradients == [[4.0] * 3, [8.0] * 3] * 2


def test_a_fresh_pass_clears_what_an_accumulating_one_left_on_the_same_leaves() -> None:
    watched = Watched()
    fresh = under("fresh", watched.call)
    accumulating = replace(fresh, protocol=TimingProtocol(backward="accumulating"))
    run(accumulating, 2)
    assert fresh.inputs[0].grad is not None
    watched.graphs.clear()
    watched.found_grad.clear()
    check_fresh(fresh, watched, pass_of(fresh))


@pytest.mark.parametrize("pass_", PASSES)
def test_where_calls_must_be_cold_each_has_inputs_of_its_own(pass_: str) -> None:
    seen: list[int] = []
    subject = replace(under("fresh", spying(seen, id, twice), "cold", copies=4))
    subject = replace(subject, case=a_case(pass_=pass_))
    run(subject, 4)
    assert len(set(seen)) == 4
    assert id(subject.inputs[0]) not in seen
    assert pass_of(subject).most_iterations == 4


def test_cold_graphs_are_consumed_in_the_order_in_which_they_were_built() -> None:
    watched = Watched()
    subject = under("fresh", watched.call, "cold", copies=3)
    run(subject, 3)
    assert watched.graphs == [1, 2, 3]


class Noting(torch.autograd.Function):
    """The identity; notes where its cotangent lies, and writes into it where told to."""

    seen: ClassVar[list[int]] = []
    writes: ClassVar[bool] = False

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        Noting.seen.append(grad_output.data_ptr())
        gradient: Tensor = grad_output.mul_(2) if Noting.writes else grad_output.clone()
        return gradient


@pytest.mark.parametrize(("writes", "cache", "distinct"), [(False, "warm", 1), (True, "warm", 2), (False, "cold", 2)])
def test_the_cotangent_itself_is_lent_to_who_does_not_write_into_it_unless_calls_must_be_cold(
    writes: bool, cache: str, distinct: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(Noting, "seen", seen)
    monkeypatch.setattr(Noting, "writes", writes)
    subject = under("fresh", Noting.apply, cache, copies=2 if cache == "cold" else 0)
    pass_ = pass_of(subject)
    for _ in range(TRIAL_BATCHES):
        pass_.run(pass_.prepare(2))
    assert subject.grad_outputs[0].data_ptr() not in seen  # on trial, everybody gets clones
    batch = pass_.prepare(2)
    seen.clear()
    pass_.run(batch)
    assert len(set(seen)) == distinct
    assert (subject.grad_outputs[0].data_ptr() in seen) == (distinct == 1)
    assert subject.grad_outputs[0].tolist() == [2.0] * 3


@pytest.mark.parametrize(
    ("pass_", "floats"),
    [
        ("inference", 12 + 4 + 12),
        ("forward", 12 + 4 + 12),
        ("backward", 12 + (12 + 4) + (12 + 4)),
        ("forward_backward", (12 + 4 + 12) + 12 + (12 + 4) + (12 + 4)),
    ],
)
def test_what_must_be_moved_is_each_input_and_each_result_once(pass_: str, floats: int) -> None:
    a, b, out = torch.ones(3, 4), torch.ones(4), torch.ones(3, 4)
    subject = Subject(a_case(pass_=pass_), torch.mul, (a, b), (out,))
    assert moved_bytes(subject, (0, 1)) == 4 * floats


def test_a_derivative_that_depends_on_no_input_need_not_read_one() -> None:
    x, out = torch.ones(8, dtype=torch.float16), torch.ones(8, dtype=torch.float16)
    subject = Subject(a_case(pass_="backward"), twice, (x,), (out,))
    assert moved_bytes(subject, ()) == 2 * (8 + 8)
    assert moved_bytes(subject, (0,)) == 2 * (8 + 8 + 8)


def test_what_stride_0_repeats_is_moved_once() -> None:
    x = torch.ones(1, 8).expand(4, 8)
    subject = Subject(a_case(pass_="inference"), twice, (x,), (torch.ones(4, 8),))
    assert moved_bytes(subject, (0,)) == 4 * (8 + 32)


def test_the_gradient_of_an_expanded_input_is_written_in_full() -> None:
    x = torch.ones(1, 8).expand(4, 8)
    subject = Subject(a_case(pass_="backward"), twice, (x,), (torch.ones(4, 8),))
    assert moved_bytes(subject, (0,)) == 4 * (32 + 8 + 32)


@pytest.mark.parametrize("protocol", ["fresh", "retained", "accumulating"])
def test_an_output_without_a_gradient_is_left_out_of_the_backward(protocol: str) -> None:
    x = torch.ones(3, requires_grad=True)
    subject = Subject(
        a_case(pass_="backward"),
        lambda x: (2 * x, x.argsort()),
        (x,),
        (torch.ones(3), torch.ones(3, dtype=torch.int64)),
        TimingProtocol(backward=protocol),
    )
    gradients: list[float] = []
    x.register_post_accumulate_grad_hook(lambda leaf: gradients.append(leaf.grad[0].item()))  # type: ignore[no-untyped-call]
    run(subject, 2)
    assert gradients == ([2.0, 4.0] if protocol == "accumulating" else [2.0, 2.0])


def test_a_round_prepares_no_more_copies_than_it_uses() -> None:
    subject = under("accumulating", twice, "cold", copies=5)
    pass_of(subject).prepare(2)
    assert [copy.grad is not None for (copy,) in subject.copies] == [True, True, False, False, False]
