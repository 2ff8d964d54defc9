from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge.behavior.transforms import _mappings
from gradgauge.records import Verdict
from tests.behavior.trying import a_subject, tried

TRANSFORMS = ("func_grad", "vmap", "vmap_grad")


def squaring(vmap: Callable[[tuple[int], Tensor], tuple[Tensor, int]]) -> Callable[..., Any]:
    """Return x² with this vmap rule."""

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(x: Tensor) -> Tensor:
            return x * x

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            grad_x: Tensor = 2 * x * grad_output
            return grad_x

        @staticmethod
        def vmap(info: Any, in_dims: tuple[int], x: Tensor) -> tuple[Tensor, int]:
            return vmap(in_dims, x)

    return Square.apply


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize(
    "call", [torch.tanh, lambda x: (x.sin(), x.cos()), lambda x: x.sum(), squaring(lambda dims, x: (x * x, dims[0]))]
)
def test_what_is_right_passes(name: str, call: Callable[..., Any]) -> None:
    assert tried(name, a_subject(call)).verdict == Verdict.PASS


def test_several_inputs_are_mapped_alone_and_together_first_and_last() -> None:
    subject = a_subject(torch.mul, (3, 4), (4,))
    assert list(_mappings(subject)) == [
        ("all inputs", (0, 0), 0),
        ("input 0", (0, None), 0),
        ("input 1", (None, 0), 0),
        ("the last dimension", (-1, -1), -1),
    ]
    assert [dims for _, dims, _ in _mappings(a_subject(torch.tanh))] == [(0,), (-1,)]
    for name in TRANSFORMS:
        assert tried(name, subject).verdict == Verdict.PASS


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (lambda dims, x: (x + x, dims[0]), "under vmap over input 0 the value is"),
        (
            lambda dims, x: (x.movedim(dims[0], 0) ** 2 if dims[0] == 0 else x * x, 0),
            "over the last dimension the value",
        ),
        (lambda dims, x: (x * x.detach(), dims[0]), "under vmap over input 0 the gradient is"),
    ],
)
def test_a_wrong_rule_is_told(rule: Callable[[tuple[int], Tensor], tuple[Tensor, int]], said: str) -> None:
    found = tried("vmap", a_subject(squaring(rule)))
    assert found.verdict == Verdict.FAIL
    assert said in found.detail


def test_a_gradient_that_only_torch_func_meets_is_told() -> None:
    def call(x: Tensor) -> Tensor:
        return 2 * x.detach() - x if torch._C._functorch.is_functorch_wrapped_tensor(x) else 1 * x

    for name in ("func_grad", "vmap_grad"):
        assert tried(name, a_subject(call)).verdict == Verdict.FAIL


def test_what_has_no_rule_is_unsupported() -> None:
    class Plain(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            return grad_output

    for name in TRANSFORMS:
        found = tried(name, a_subject(Plain.apply))
        assert found.verdict == Verdict.UNSUPPORTED
        assert "setup_context" in found.detail


def test_without_a_gradient_none_is_asked_for_each_sample() -> None:
    assert tried("vmap_grad", a_subject(lambda x: (x > 0).float())).verdict == Verdict.NOT_APPLICABLE
    assert tried("vmap", a_subject(lambda x: (x > 0).float())).verdict == Verdict.PASS
