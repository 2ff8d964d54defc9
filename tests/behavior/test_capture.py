from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge.behavior.capture import count_breaks
from gradgauge.behavior.operators import without_forward_mode
from gradgauge.records import Verdict
from tests.behavior.trying import a_subject, tried


def broken_twice(x: Tensor) -> Tensor:
    torch._dynamo.graph_break()
    y = x.tanh()
    torch._dynamo.graph_break()
    return y * 2


@pytest.mark.filterwarnings("ignore::UserWarning")  # as within try_behavior
def test_breaks_are_counted_and_the_first_is_told_with_its_place() -> None:
    breaks = count_breaks(a_subject(lambda x: broken_twice(x + 1)))
    assert breaks.count == 2
    code = broken_twice.__code__
    assert f"(broken_twice, {Path(code.co_filename).name}:{code.co_firstlineno + 1})" in breaks.reason
    assert count_breaks(a_subject(torch.tanh)).count <= 0


def test_broken_graphs_are_unsupported_with_their_number() -> None:
    found = tried("fullgraph", a_subject(lambda x: broken_twice(x + 1)))
    assert found.verdict == Verdict.UNSUPPORTED
    assert found.detail.startswith("2 graph breaks: ")


def test_a_graph_for_each_size_is_unsupported_with_their_number() -> None:
    def by_size(x: Tensor) -> Tensor:
        return x * {6: 1.0, 5: 2.0}.get(x.shape[0], 3.0)

    found = tried("dynamic_shapes", a_subject(by_size, (6, 5)))
    assert found.verdict == Verdict.UNSUPPORTED
    assert found.detail == "compiled 1 for the first shape and 2 more graphs for 2 others"
    assert tried("dynamic_shapes", a_subject(torch.tanh, (6, 5))).verdict == Verdict.PASS


@pytest.mark.parametrize("call", [torch.tanh, lambda x: x.reshape(6, 5).tanh()])
def test_where_no_other_shape_is_taken_there_is_nothing_to_ask(call: Callable[..., Tensor]) -> None:
    shape = (3, 2) if call is torch.tanh else (6, 5)  # no dimension of (3, 2) is long enough to be cut
    assert tried("dynamic_shapes", a_subject(call, shape)).verdict == Verdict.NOT_APPLICABLE


def test_a_module_is_compiled_for_what_it_is() -> None:
    class Doubled(torch.nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    assert tried("fullgraph", a_subject(Doubled())).verdict == Verdict.PASS


def test_what_is_exported_may_lack_the_backward() -> None:
    class Straight(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.round()

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            return grad_output

    found = tried("export", a_subject(Straight.apply))
    assert found.verdict == Verdict.UNSUPPORTED
    assert "the gradient is" in found.detail


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x: x.tanh() if not x.is_meta else x.new_empty(2), "on the meta device: (2,), torch.float32 on meta"),
        (
            lambda x: x.tanh() if not x.is_meta else torch.empty(3, 4),
            "on the meta device: (3, 4), torch.float32 on cpu",
        ),
        (lambda x: x.tanh() if not x.is_meta else (x, x), "on the meta device: 2 tensors where 1 are right"),
    ],
)
def test_a_wrong_description_is_told(call: Callable[..., Any], said: str) -> None:
    found = tried("fake_tensors", a_subject(call))
    assert found.verdict == Verdict.FAIL
    assert found.detail.startswith(said)


def test_outputs_without_a_gradient_need_none_on_fake_tensors() -> None:
    assert tried("fake_tensors", a_subject(lambda x: (x.tanh(), (x > 0).float()))).verdict == Verdict.PASS
    assert tried("fake_tensors", a_subject(lambda x: (x > 0).float())).verdict == Verdict.PASS


LOGGERS = ("torch._dynamo", "torch.fx", "torch._functorch")


@pytest.mark.parametrize("name", ["fullgraph", "dynamic_shapes", "export", "fake_tensors"])
def test_capturing_leaves_loggers_as_they_were_and_no_compiled_code(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[int] = []
    monkeypatch.setattr("gradgauge.compilation.forget_compiled", lambda: forgotten.append(1))
    for number, logger in enumerate(LOGGERS):
        monkeypatch.setattr(logging.getLogger(logger), "level", 20 + number)  # another one than a check would leave
    tried(name, a_subject(torch.tanh, (6, 5)))
    assert [logging.getLogger(logger).level for logger in LOGGERS] == [20, 21, 22]
    assert len(forgotten) == (0 if name == "fake_tensors" else 2)  # before and after each capture
    torch._dynamo.reset()


@pytest.mark.parametrize("name", ["fullgraph", "dynamic_shapes", "export", "fake_tensors"])
def test_what_is_captured_is_a_call_of_its_own(name: str) -> None:
    """Or what the call keeps from one time to the next would hold tensors without numbers from then on."""
    kinds: set[type] = set()

    def call(x: Tensor) -> Tensor:
        kinds.add(type(x.detach()))
        return x.tanh()

    tried(name, replace(a_subject(call, (6, 5)), reload=lambda: torch.tanh))
    assert kinds == {Tensor}


@torch.library.custom_op("gradgauge_tests::doubled", mutates_args=())
def doubled(x: Tensor) -> Tensor:
    return 2 * x


doubled.register_fake(torch.empty_like)
doubled.register_autograd(lambda ctx, grad: 2 * grad)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's first dual tensor compiles by torch.jit
def test_operators_that_drop_tangents_are_named() -> None:
    assert without_forward_mode(torch.tanh, (torch.ones(3),)) == ""
    assert without_forward_mode(lambda x: doubled(x) + x, (torch.ones(3),)) == "gradgauge_tests.doubled.default"


def test_operators_are_checked_by_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def refuse(op: object, args: object, kwargs: object) -> None:
        seen.append(str(op))
        raise AssertionError("first line\nsecond")

    assert tried("opcheck", a_subject(torch.tanh)).verdict == Verdict.NOT_APPLICABLE
    right = tried("opcheck", a_subject(doubled))
    assert (right.verdict, right.detail) == (Verdict.PASS, "gradgauge_tests.doubled.default")
    monkeypatch.setattr("torch.library.opcheck", refuse)
    found = tried("opcheck", a_subject(doubled))
    assert seen == ["gradgauge_tests.doubled.default"]
    assert (found.verdict, found.detail) == (Verdict.FAIL, "opcheck of gradgauge_tests.doubled.default: first line")
