from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from gradgauge.attempts import Failure, attempt
from gradgauge.checking.target import find_kinks, input_names, make_target, name_of
from tests.checking.functions import EXAMPLE, Call, Linear, Quantizing, SiLU, quantizing, rounding

ROOMY = "48x64"


class New(torch.autograd.Function):
    @staticmethod
    def forward(gate: Tensor, up: Tensor) -> Tensor:
        return gate * up

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None: ...


def colliding(torch: Tensor, inputs: Tensor, colliding: Tensor) -> Tensor:
    return torch + inputs + colliding


@pytest.mark.parametrize(
    ("call", "count", "name", "names"),
    [
        (SiLU.apply, 1, "SiLU.apply", ("x",)),
        (Linear.apply, 3, "Linear.apply", ("x", "weight", "bias")),
        (New.apply, 2, "New.apply", ("gate", "up")),
        (colliding, 3, "colliding", ("torch_in", "inputs_in", "colliding_in")),
        (lambda a: a, 1, "fn", ("a",)),
        (lambda *all_: all_[0], 2, "fn", ("x0", "x1")),
        (functools.partial(torch.add, alpha=2), 2, "fn", ("x0", "x1")),
        (torch.nn.SiLU(), 1, "fn", ("x",)),
        (torch.tanh, 1, "tanh", ("x",)),
    ],
)
def test_functions_and_their_inputs_have_names_that_can_be_written(
    call: Call, count: int, name: str, names: tuple[str, ...]
) -> None:
    assert (name_of(call), input_names(call, count)) == (name, names)


@pytest.mark.parametrize(
    ("call", "given", "expected"),
    [
        (torch.tanh, (EXAMPLE,), True),
        (torch.log, (EXAMPLE,), True),
        (torch.mul, (EXAMPLE, EXAMPLE[0]), True),
        (lambda x: (x.sin(), x.cos()), (EXAMPLE,), True),
        (torch.tanh, (torch.tensor(0.5),), True),
        (torch.tanh, (torch.zeros(0),), True),
        (torch.sum, (EXAMPLE,), False),
        (lambda x: x.cumsum(-1), (EXAMPLE,), False),
        (lambda x: torch.softmax(x, -1), (torch.ones(1),), False),
        (lambda x: x.flip(0), (torch.arange(4.0),), False),
        (torch.matmul, (torch.eye(3), torch.eye(3)), False),
        (lambda x: x.t(), (torch.arange(9.0).reshape(3, 3),), False),
        (lambda x: x / x.mean(), (torch.zeros(3),), False),
    ],
)
def test_whether_elements_hang_on_each_other_is_seen(call: Call, given: tuple[Tensor, ...], *, expected: bool) -> None:
    assert make_target(call, None, given, ()).is_elementwise is expected


def test_there_is_room_for_edges_where_the_function_takes_it() -> None:
    def shapes(call: Call, reference: Call | None, *given: Tensor) -> tuple[str, str]:
        target = make_target(call, reference, given, ())
        return target.case.shape, target.roomy.shape

    assert shapes(SiLU.apply, F.silu, EXAMPLE) == (ROOMY, ROOMY)
    assert shapes(SiLU.apply, F.silu, torch.tensor(1.0)) == ("scalar", ROOMY)
    assert shapes(torch.mul, None, EXAMPLE, EXAMPLE[0]) == ("2x3,3", ROOMY)
    # Its backward alone refuses it.
    assert shapes(Quantizing.apply, quantizing, EXAMPLE, torch.tensor(0.3)) == ("2x3,scalar", "2x3,scalar")


def test_kinks_are_found_at_zero_and_at_edges_of_elementwise_functions() -> None:
    assert [kink.slopes for kink in find_kinks(F.relu, (), torch.float32)] == [(0.0, 1.0)]
    assert [
        (kink.point, kink.slopes) for kink in find_kinks(F.hardtanh, (-1, 1, float("inf"), float("nan")), torch.float32)
    ] == [
        (-1.0, (0.0, 1.0)),
        (1.0, (1.0, 0.0)),
    ]
    assert find_kinks(torch.tanh, (0.5,), torch.float32) == ()
    assert make_target(lambda x: x.max(-1).values, None, (EXAMPLE,), ()).entry.function.kinks == ()


def test_a_gradient_that_is_not_the_value_s_derivative_is_seen() -> None:
    assert make_target(SiLU.apply, rounding, (EXAMPLE,), ()).is_surrogate
    assert not make_target(SiLU.apply, F.silu, (EXAMPLE,), ()).is_surrogate
    assert not make_target(SiLU.apply, None, (EXAMPLE,), ()).is_surrogate


def test_a_shape_that_the_call_refuses_counts_as_refused() -> None:
    target = make_target(Quantizing.apply, quantizing, (EXAMPLE, torch.tensor(0.3)), ())
    probed = target.probing.reference.implementation.call
    alike = (torch.ones(2, 3), torch.ones(2, 3))
    assert isinstance(attempt("it", lambda: probed(*alike)), Failure)
    assert not isinstance(attempt("it", lambda: probed(*(tensor.requires_grad_() for tensor in alike))), Failure)
