from __future__ import annotations

import sys
import threading
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gradgauge.records import Verdict
from tests.behavior.trying import a_subject, tried


def test_threads_put_python_back() -> None:
    before, traced = sys.getswitchinterval(), sys.gettrace()
    assert tried("threads", a_subject(torch.tanh)).verdict == Verdict.PASS
    assert (sys.getswitchinterval(), sys.gettrace()) == (before, traced)


def test_a_call_that_only_one_thread_may_make() -> None:
    def call(x: Tensor) -> Tensor:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("elsewhere")
        return x.tanh()

    found = tried("threads", a_subject(call))
    assert found.verdict == Verdict.FAIL
    assert "RuntimeError: elsewhere" in found.detail


def test_a_gradient_in_memory_that_the_next_backward_uses_does_not_hide_a_difference() -> None:
    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.buffer = torch.ones_like(x)
            return x.clone()

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            buffer: Tensor = ctx.buffer.mul_(2)
            return buffer.detach()

    found = tried("retained_graph", a_subject(Scaled.apply))
    assert (found.verdict, found.detail) == (
        Verdict.FAIL,
        "a second backward over the same graph gives another gradient",
    )


def test_a_partial_is_copied_and_a_lambda_is_not() -> None:
    assert tried("copies", a_subject(partial(torch.mul, 2))).verdict == Verdict.PASS
    found = tried("copies", a_subject(lambda x: x.tanh()))
    assert found.verdict == Verdict.UNSUPPORTED
    assert found.detail.startswith("pickle: ")


def test_autocast_is_asked_of_float32_alone_and_told_what_comes_out() -> None:
    assert tried("autocast", a_subject(torch.tanh, dtype=torch.float64)).verdict == Verdict.NOT_APPLICABLE
    product = tried("autocast", a_subject(torch.matmul, (3, 4), (4, 5)))
    assert (product.verdict, product.detail) == (Verdict.PASS, "bfloat16 out")
    assert tried("autocast", a_subject(torch.tanh)).detail == "float32 out"


def test_without_a_graph_there_is_no_second_backward() -> None:
    found = tried("retained_graph", a_subject(lambda x: x.detach().clone()))
    assert found.verdict == Verdict.NOT_APPLICABLE


def test_autocast_that_is_left_switched_off_is_told() -> None:
    def call(x: Tensor) -> Tensor:
        torch.set_autocast_enabled("cpu", False)
        return x.tanh()

    found = tried("autocast", a_subject(call))
    assert (found.verdict, found.detail) == (Verdict.FAIL, "called under autocast, it switches that off")
