from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge.records import Verdict
from tests.behavior.trying import a_subject, tried

KEPT: list[Any] = []


def keep(x: Tensor) -> Tensor:
    KEPT.append(x)
    return x.tanh()


def restored(x: Tensor) -> Tensor:
    with torch.no_grad():
        x.add_(0)
    return x.tanh()


def bypassed(x: Tensor) -> Tensor:
    x.data.zero_()
    return x.tanh()


def only_results(x: Tensor) -> Tensor:
    return x.mul_(0.5).tanh() if x.requires_grad and not x.is_leaf else x.tanh()


@pytest.mark.parametrize(
    ("name", "call", "detail"),
    [
        ("inputs_unchanged", restored, "writes into its input, and leaves its numbers as they were"),
        ("inputs_unchanged", bypassed, "writes into its input, past its version counter"),
        ("inputs_unchanged", only_results, "writes into its input (inputs that are results themselves)"),
        ("no_alias", lambda x: x.view_as(x), "its output shares memory with its input"),
        (
            "no_alias",
            lambda x: x if not x.requires_grad else x.clone(),
            "its output shares memory with its input (inputs without a gradient)",
        ),
        ("no_alias", lambda x: (x.tanh(), x[1:]), "its output 1 shares memory with its input"),
        ("released", keep, "after a forward alone its input stays in memory when nobody holds it any more"),
    ],
)
def test_what_is_done_to_tensors_is_told(name: str, call: Callable[..., Any], detail: str) -> None:
    found = tried(name, a_subject(call))
    KEPT.clear()
    assert (found.verdict, found.detail) == (Verdict.FAIL, detail)


def test_an_output_that_the_next_call_writes_into_is_told() -> None:
    buffer = torch.zeros(3, 4)
    found = tried("no_alias", a_subject(lambda x: buffer.copy_(x.detach())))
    assert (found.verdict, found.detail) == (Verdict.FAIL, "its output shares memory with that of the next call")


def test_an_output_of_no_elements_shares_nothing() -> None:
    assert tried("no_alias", a_subject(lambda x: x[:0])).verdict == Verdict.PASS


def stashing(what: str) -> Callable[..., Any]:
    class Tanh(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            y = x.tanh()
            ctx.kept = x if what == "input" else y if what == "output" else (y.clone() if what == "own" else None)
            if what == "saved":
                ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            y = ctx.saved_tensors[0] if what == "saved" else ctx.kept.tanh() if what == "input" else ctx.kept
            grad_x: Tensor = grad_output * (1 - y * y)
            return grad_x

    return Tanh.apply


@pytest.mark.parametrize(
    ("what", "in_place", "released"),
    [
        ("saved", Verdict.PASS, Verdict.PASS),
        ("own", Verdict.PASS, Verdict.PASS),
        ("input", Verdict.FAIL, Verdict.PASS),
        ("output", Verdict.FAIL, Verdict.FAIL),
    ],
)
def test_where_what_the_backward_needs_is_kept(what: str, in_place: Verdict, released: Verdict) -> None:
    subject = a_subject(stashing(what))
    assert tried("in_place_change", subject).verdict == in_place
    assert tried("released", subject).verdict == released
    assert tried("saved_unchanged", subject).verdict == Verdict.PASS


def test_a_change_that_raises_is_worth_saying() -> None:
    assert tried("in_place_change", a_subject(stashing("saved"))).detail == "raises for the output"


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(enabled: bool) -> None:
    was = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        found = tried("released", a_subject(stashing("output")))
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()
    assert found.detail == (
        "after a forward alone its output stays in memory when nobody holds it any more, "
        "until Python's garbage collector runs"
    )


def test_what_compiled_code_saved_is_looked_at_after_the_forward_alone() -> None:
    found = tried("saved_unchanged", a_subject(stashing("saved"), mode="compiled"))
    assert (found.verdict, found.detail[:13]) == (Verdict.PASS, "compiled code")


def test_where_nothing_is_saved_or_one_gradient_is_all_there_is() -> None:
    assert tried("saved_unchanged", a_subject(lambda x: 2 + x)).verdict == Verdict.NOT_APPLICABLE
    assert tried("needs_input_grad", a_subject(torch.tanh)).verdict == Verdict.NOT_APPLICABLE


@pytest.mark.parametrize("is_lean", [True, False])
def test_gradients_that_nobody_asked_for_are_counted(is_lean: bool) -> None:
    class Sum(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
            return a + b + c

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
            return tuple(grad_output.clone() if needed or not is_lean else None for needed in ctx.needs_input_grad)

    found = tried("needs_input_grad", a_subject(Sum.apply, (3,), (3,), (3,)))
    said = "asked for the gradient of input 0 alone, it computes that of 2 other inputs, too"
    assert (found.verdict, found.detail) == ((Verdict.PASS, "") if is_lean else (Verdict.FAIL, said))


def test_a_module_with_parameters_of_its_own_passes() -> None:
    assert tried("inputs_unchanged", a_subject(torch.nn.Linear(4, 2))).verdict == Verdict.PASS
