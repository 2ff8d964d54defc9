from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gradgauge.cases import PASSES, Case
from gradgauge.passes import BATCH_BYTES, Pass
from gradgauge.timing import WITH_BACKWARD
from gradgauge.workloads import MOST_COPIES, control_pass, control_shape, copy_pass, work_of, workload_pass


def a_workload(name: str, shape: str = "8x8", pass_: str = "") -> Case:
    return Case("", name, "", pass_, "cpu", "float32", shape, "")


def run(pass_: Pass, iterations: int) -> None:
    pass_.run(pass_.prepare(iterations))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what the workloads ask PyTorch for."""
    seen: list[str] = []

    def spy(owner: Any, name: str) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def noting(*arguments: Any, **named: Any) -> Any:
            seen.append(name)
            return original(*arguments, **named)

        monkeypatch.setattr(owner, name, noting)

    for owner, name in ((torch, "sigmoid"), (torch, "mm"), (torch.Tensor, "copy_"), (torch.Tensor, "clone")):
        spy(owner, name)
    return seen


@pytest.mark.parametrize(
    ("name", "asked"), [("copy", "copy_"), ("clone", "clone"), ("sigmoid", "sigmoid"), ("matmul", "mm")]
)
def test_each_workload_does_what_its_name_says_once_an_iteration(name: str, asked: str, calls: list[str]) -> None:
    pass_ = workload_pass(a_workload(name))
    calls.clear()
    run(pass_, 3)
    assert calls == [asked] * 3


def test_the_control_is_a_sigmoid_into_a_given_tensor_without_autograd(calls: list[str]) -> None:
    pass_ = control_pass("cpu")
    calls.clear()
    run(pass_, 2)
    assert calls == ["sigmoid"] * 2
    ((target, source),) = set(pass_.prepare(1))
    assert torch.equal(target, source.sigmoid())
    assert not target.requires_grad
    assert source.numel() == int(control_shape("cpu"))
    assert source.unique().numel() > source.numel() / 2  # random, not zeros


@pytest.mark.parametrize("moved", [8, 4096, 2**20])
def test_a_copy_moves_as_many_bytes_as_the_case_must(moved: int) -> None:
    ((target, source),) = set(copy_pass(moved, "cpu").prepare(1))
    assert target.nbytes + source.nbytes == moved


def test_a_cold_copy_never_meets_its_tensors_twice_in_a_round() -> None:
    pass_ = copy_pass(2**20, "cpu", cold=True)
    assert pass_.most_iterations == BATCH_BYTES // 2**20 == 256
    batch = list(pass_.prepare(200))
    assert len({tensor.data_ptr() for pair in batch for tensor in pair}) == 400
    assert copy_pass(8, "cpu", cold=True).most_iterations == MOST_COPIES
    assert copy_pass(2 * BATCH_BYTES, "cpu", cold=True).most_iterations == 1


@pytest.mark.parametrize("pass_", PASSES)
def test_the_empty_call_differentiates_nothing(pass_: str) -> None:
    empty = workload_pass(a_workload("empty", "1", pass_))
    batch = list(empty.prepare(3))
    inputs = batch[0][-1] if pass_ in WITH_BACKWARD else batch[0]
    accumulated: list[torch.Tensor] = []
    inputs[0].register_post_accumulate_grad_hook(accumulated.append)
    empty.run(batch)
    assert accumulated == []


def test_the_work_of_a_call_is_counted_in_bytes_or_in_operations() -> None:
    assert work_of(a_workload("copy", "1000")) == 8_000
    assert work_of(a_workload("sigmoid", "10x10")) == 800
    assert work_of(a_workload("matmul", "100x100")) == 2e6
