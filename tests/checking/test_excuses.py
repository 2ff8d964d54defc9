from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from gradgauge.checking import check
from gradgauge.checking.agreement import _excuses
from gradgauge.checking.target import make_target
from gradgauge.inputs import cotangents
from gradgauge.oracle import Truth, tell_truth
from tests.checking.functions import EXAMPLE, Call, failed, names_of


def truth_of(call: Call, *inputs: Tensor) -> Truth:
    target = make_target(call, None, inputs, ())
    return tell_truth(target.entry, inputs, lambda outputs: cotangents(outputs, torch.Generator().manual_seed(0)))


def test_a_fused_kernel_is_excused_its_own_error_where_it_errs_and_not_elsewhere() -> None:
    x = torch.tensor([-5.3, -5.1, 0.7, 2.5])
    excused = _excuses(make_target(F.gelu, None, (x,), ())).of_value(truth_of(F.gelu, x), 0)
    assert excused[:2].min() > 100
    assert excused[2:].max() < 20


def test_what_an_error_of_its_own_excuses_is_limited() -> None:
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x * (2 if x.dtype == torch.float64 else 3)

        @staticmethod
        def backward(ctx: object, *grads: Tensor) -> Tensor:
            return 2 * grads[0]

    assert names_of(failed(Wrong.apply, checks=["agreement"])) == ["agreement"]


def test_what_is_not_elementwise_is_measured_at_its_largest() -> None:
    def softmax(x: Tensor) -> Tensor:
        return torch.softmax(x, -1)

    x = torch.tensor([[0.0, -20.0]])
    excused = _excuses(make_target(softmax, None, (x,), ())).of_value(truth_of(softmax, x), 0)
    assert excused[0, 1] > 1e6 * excused[0, 0]


@pytest.mark.parametrize("shift", [1e-5, 1e-3])
def test_an_error_that_no_rounding_makes_is_none(shift: float) -> None:
    def shifted(x: Tensor) -> Tensor:
        return torch.softmax(x, -1) + shift

    found = failed(shifted, reference=lambda x: torch.softmax(x, -1), checks=["agreement"])
    assert names_of(found) == ["agreement"]


def test_nothing_is_derived_where_the_strict_budgets_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def swiglu(gate: Tensor, up: Tensor) -> Tensor:
        return F.silu(gate) * up

    excuses = _excuses(make_target(swiglu, None, (EXAMPLE, EXAMPLE), ()))
    assert None in excuses.gradients
    assert None not in (*excuses.strict.values, *excuses.strict.gradients)
    assert excuses.strict.strict is excuses.strict
    monkeypatch.setattr("gradgauge.error_budgets.DRAWS", 0)
    check(swiglu, inputs=(EXAMPLE, EXAMPLE), checks=["interleaved"])
