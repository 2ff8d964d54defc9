from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gradgauge.attempts import Unsupported, Wrong
from gradgauge.catalog import Catalog
from gradgauge.model import kink_at
from gradgauge.numerical import MARGIN, check_first_order, check_second_order, smooth_inputs
from tests.fakes import a_case, a_function, an_entry

CUBE = an_entry(name="cube", reference=lambda x: x**3)


def cubing(slope: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """Return x³ with the given slope for a backward."""

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            grad_x: Tensor = grad_output * slope(ctx.saved_tensors[0])
            return grad_x

    return Cube.apply


class OnceDifferentiable(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        grad_x: Tensor = grad_output * 3 * x**2
        return grad_x


INPUTS = smooth_inputs(a_case(function="cube"), CUBE, 0)
RIGHT = cubing(lambda x: 3 * x**2)


def test_a_right_backward_passes_both_checks() -> None:
    check_first_order(RIGHT, INPUTS)
    check_second_order(RIGHT, INPUTS)


@pytest.mark.parametrize("slope", [lambda x: 3.01 * x**2, lambda x: -3 * x**2, torch.zeros_like, lambda x: 3 * x])
def test_a_wrong_gradient_is_told(slope: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(Wrong, match=r"^gradcheck: Jacobian mismatch for output 0 with respect to input 0$"):
        check_first_order(cubing(slope), INPUTS)


def test_many_elements_are_checked_through_a_projection() -> None:
    x = torch.linspace(0.5, 2.0, 65, dtype=torch.float64).requires_grad_()
    check_first_order(RIGHT, (x,))
    with pytest.raises(Wrong, match=r"^gradcheck: "):
        check_first_order(cubing(lambda x: 3.01 * x**2), (x,))


def test_a_wrong_second_derivative_is_told_although_the_first_is_right() -> None:
    blind = cubing(lambda x: 3 * x.detach() * x)
    check_first_order(blind, INPUTS)
    with pytest.raises(Wrong, match=r"^gradgradcheck: Jacobian mismatch for output 0 with respect to input 0$"):
        check_second_order(blind, INPUTS)


def test_a_backward_that_cannot_be_differentiated_is_unsupported_and_not_wrong() -> None:
    check_first_order(OnceDifferentiable.apply, INPUTS)
    with pytest.raises(Unsupported, match=r"^double backward: .*once_differentiable"):
        check_second_order(OnceDifferentiable.apply, INPUTS)


def test_a_backward_that_fails_without_a_cotangent_is_wrong() -> None:
    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
            ctx.set_materialize_grads(False)
            return 2 * x, 3 * x

        @staticmethod
        def backward(ctx: Any, *grads: Tensor | None) -> Tensor | None:
            first, second = grads
            return None if first is None or second is None else 2 * first + 3 * second

    with pytest.raises(Wrong, match=r"^gradcheck: "):
        check_first_order(Both.apply, INPUTS)


def test_inputs_are_float64_leaves_whatever_the_case_is_and_the_same_each_time() -> None:
    case = a_case(function="cube", dtype="bfloat16", layout="strided", shape="100x100")
    (x,), (again,) = (smooth_inputs(case, CUBE, 3) for _ in range(2))
    assert (x.dtype, tuple(x.shape), x.is_leaf, x.requires_grad) == (torch.float64, (3, 5), True, True)
    assert torch.equal(x, again)
    assert not torch.equal(x, smooth_inputs(case, CUBE, 4)[0])


def test_another_implementation_is_checked_on_the_same_inputs() -> None:
    (one,), (other,) = (smooth_inputs(a_case(implementation=name), CUBE, 0) for name in ("reference", "where"))
    assert torch.equal(one, other)


def test_a_function_that_refuses_the_small_shape_gets_the_cases_own() -> None:
    entry = an_entry(name="square", reference=lambda x: x @ x)
    (x,) = smooth_inputs(a_case(function="square", shape="4x4"), entry, 0)
    assert x.shape == (4, 4)


def drawing(*values: float) -> Callable[..., tuple[Tensor, ...]]:
    return lambda generator, shapes: (torch.tensor(values),)


def test_inputs_keep_away_from_every_joint() -> None:
    near = (-5.0, -4.995, -5.005, 0.0, 1.0, 4.992, 5.0)
    kinks = (kink_at(-5.0, 0.0, 1.0), kink_at(5.0, 1.0, 0.0))
    entry = an_entry(a_function(kinks=kinks, sample=drawing(*near)), reference=lambda x: x.clamp(-5, 5))
    (x,) = smooth_inputs(a_case(), entry, 0)
    for joint in (-5.0, 5.0):
        assert ((x - joint).abs() >= MARGIN).all()
    assert x[3:5].tolist() == [0.0, 1.0]
    check_first_order(entry.reference.implementation.call, (x,))


@pytest.mark.parametrize("name", ["multiply", "relu", "ternary_activation"])
def test_the_built_in_references_pass(catalog: Catalog, name: str) -> None:
    entry = catalog.functions[name]
    inputs = smooth_inputs(a_case(function=name), entry, 0)
    check_first_order(entry.reference.implementation.call, inputs)
    check_second_order(entry.reference.implementation.call, inputs)


def test_errors_of_both_signs_do_not_cancel_where_there_are_many_elements() -> None:
    """PyTorch's fast mode alone lets this pass: it sees the mean error."""
    x = torch.linspace(-2, 2, 40 * 40, dtype=torch.float64).reshape(40, 40).requires_grad_()
    odd = cubing(lambda x: 3 * x**2 + 0.5 * x)
    assert torch.autograd.gradcheck(odd, (x,), fast_mode=True)
    with pytest.raises(Wrong, match="the derivative along random signs"):
        check_first_order(odd, (x,))
