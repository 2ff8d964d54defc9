from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from gradgauge.behavior.table import BEHAVIORS, Behavior, try_behavior
from gradgauge.checking import behavior as module
from gradgauge.checking import check
from gradgauge.records import Verdict
from tests.checking import functions as given
from tests.checking.functions import EXAMPLE, Call, failed, names_of

PLAIN = ("double_backward", "inputs_unchanged", "saved_unchanged", "no_alias", "in_place_change", "released",
         "needs_input_grad", "retained_graph", "repeatable", "global_state")  # fmt: skip


class Overwriting(given.SiLU):
    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        return grads[0].mul_(given.slope_of_silu(ctx.saved_tensors[0]))


class Drawing(given.SiLU):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x) * (1 + torch.rand(()))


class Keeping(given.SiLU):
    kept: ClassVar[list[torch.Tensor]] = []

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        Keeping.kept.append(x)
        return x * torch.sigmoid(x)


@pytest.mark.parametrize(
    ("fn", "wrong"),
    [
        (given.WrongTwice.apply, ["double_backward"]),
        (Overwriting.apply, ["inputs_unchanged"]),
        (given.Aliasing.apply, ["no_alias"]),
        (Drawing.apply, ["repeatable", "global_state"]),
        (Keeping.apply, ["released"]),
        (given.Stashing.apply, ["in_place_change", "released"]),
    ],
)
def test_each_fault_is_found_where_it_is(fn: Call, wrong: list[str]) -> None:
    reference = (lambda x: x * 1) if fn is given.Aliasing.apply else F.silu
    findings = failed(fn, reference=reference, checks=PLAIN)
    assert [name for name in names_of(findings) if name != "double_backward" or name in wrong] == wrong
    for name in wrong:
        exec(findings[name].snippet, {})


def test_a_snippet_shows_the_fault(capsys: pytest.CaptureFixture[str]) -> None:
    finding = failed(given.Aliasing.apply, reference=lambda x: x * 1, checks=["no_alias"])["no_alias"]
    exec(finding.snippet, {})
    assert capsys.readouterr().out == "(tensor([[0.]]),)\n"
    assert "x = torch.tensor([[-1.3]], requires_grad=True)" in finding.snippet
    finding = failed(Keeping.apply, reference=F.silu, checks=["released"])["released"]
    exec(finding.snippet, {})
    assert capsys.readouterr().out == "[False, True]\n"


def test_a_view_that_autograd_knows_and_time_lost_are_no_faults() -> None:
    findings = check(given.Reversing.apply, inputs=EXAMPLE, checks=["no_alias"])
    assert findings["no_alias"].verdict == Verdict.UNSUPPORTED
    assert findings["no_alias"].detail == "its output shares memory with its input: a view, and autograd knows it"
    findings = check(given.Times.apply, inputs=(EXAMPLE, EXAMPLE), checks=["needs_input_grad"])
    assert findings["needs_input_grad"].verdict == Verdict.UNSUPPORTED
    assert findings["needs_input_grad"].detail.endswith(": time lost, nothing wrong")
    required = failed(
        given.Times.apply, inputs=(EXAMPLE, EXAMPLE), checks=["needs_input_grad"], require=["needs_input_grad"]
    )
    assert names_of(required) == ["needs_input_grad"]


def test_the_second_derivative_of_a_straight_through_gradient_is_nobody_s_fault() -> None:
    inputs = (EXAMPLE, torch.tensor(0.3))
    options: dict[str, Any] = {"inputs": inputs, "reference": given.quantizing, "checks": ["double_backward"]}
    assert check(given.Quantizing.apply, **options)["double_backward"].verdict == Verdict.UNSUPPORTED


def test_what_raises_is_told_once() -> None:
    findings = failed(given.RefusingBackward.apply, checks=PLAIN)
    assert names_of(findings) == ["double_backward"]
    assert findings["global_state"].verdict == Verdict.NOT_APPLICABLE
    assert findings["released"].detail == "the call raised ValueError: no gradient today"


def test_empty_examples_leave_nothing_to_behave_on() -> None:
    findings = check(given.SiLU.apply, inputs=torch.zeros(0, 3), checks=["released", "vmap"])
    assert {finding.verdict for finding in findings} == {Verdict.NOT_APPLICABLE}


def test_of_large_examples_a_part_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []

    def spy(behavior: Behavior, subject: Any) -> Any:
        seen.append(tuple(subject.samples[0][0].shape))
        return module_try(behavior, subject)

    module_try = try_behavior
    monkeypatch.setattr(module, "try_behavior", spy)
    check(given.SiLU.apply, inputs=torch.ones(100, 60), checks=["released"])
    check(given.SiLU.apply, inputs=torch.ones(10, 6), checks=["released"])
    assert seen == [(8, 8), (10, 6)]


def test_the_first_call_is_tried_first() -> None:
    calls: list[bool] = []

    def first(x: torch.Tensor) -> torch.Tensor:
        if not calls:
            torch.rand(())
        calls.append(True)
        return x * 2

    assert names_of(failed(first, checks=["global_state", "agreement"])) == ["global_state"]
    assert BEHAVIORS.index(module.FIRST) >= 0
