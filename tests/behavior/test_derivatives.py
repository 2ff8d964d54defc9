from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gradgauge.records import Verdict
from tests.behavior.test_capture import doubled
from tests.behavior.trying import a_subject, tried


def cubing(backward: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Any]:
    """Return x³ with this backward, a function of x and the cotangent."""

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return backward(x, grad_output)

    return Cube.apply


def cube(x: Tensor) -> Tensor:
    return x**3


def right(x: Tensor, grad_output: Tensor) -> Tensor:
    return 3 * x * x * grad_output


@pytest.mark.parametrize("reference", [cube, None])
@pytest.mark.parametrize(
    ("backward", "verdict"),
    [
        (right, Verdict.PASS),
        (lambda x, grad: 3 * x.detach() ** 2 * grad, Verdict.FAIL),
        (lambda x, grad: 3 * x * x * grad.detach(), Verdict.FAIL),
        (lambda x, grad: (3.003 * x * x - 0.003 * x.detach() ** 2) * grad, Verdict.FAIL),
        (once_differentiable(lambda x, grad: 3 * x * x * grad), Verdict.UNSUPPORTED),
    ],
)
def test_the_second_order_with_a_reference_and_without(
    reference: Callable[..., Tensor] | None, backward: Callable[[Tensor, Tensor], Tensor], verdict: Verdict
) -> None:
    if verdict == Verdict.UNSUPPORTED:

        class Cube(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Tensor) -> Tensor:
                ctx.save_for_backward(x)
                return x**3

            @staticmethod
            @once_differentiable
            def backward(ctx: Any, grad_output: Tensor) -> Tensor:
                return right(ctx.saved_tensors[0], grad_output)

        call = Cube.apply
    else:
        call = cubing(backward)
    assert tried("double_backward", a_subject(call, reference=reference)).verdict == verdict


def test_what_is_not_connected_is_named() -> None:
    by_input = tried("double_backward", a_subject(cubing(lambda x, g: 3 * x.detach() ** 2 * g), reference=cube))
    assert by_input.detail.startswith("the gradient is not connected to input 0: 0 where the second derivative is up")
    by_cotangent = tried("double_backward", a_subject(cubing(lambda x, g: 3 * x * x * g.detach()), reference=cube))
    assert by_cotangent.detail.startswith("the gradient is not connected to cotangent 0")


def test_a_second_derivative_that_is_zero_may_be_disconnected() -> None:
    assert tried("double_backward", a_subject(lambda x: 3 * x, reference=lambda x: x + x + x)).verdict == Verdict.PASS


def test_without_a_gradient_there_is_no_second_one_and_a_lost_one_is_wrong() -> None:
    def constant(x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)

    assert tried("double_backward", a_subject(constant, reference=constant)).verdict == Verdict.NOT_APPLICABLE
    assert tried("double_backward", a_subject(lambda x: 0 * x, reference=constant)).verdict == Verdict.PASS
    lost = tried("double_backward", a_subject(lambda x: x.detach() ** 3, reference=cube))
    assert (lost.verdict, lost.detail[:38]) == (Verdict.FAIL, "no output is connected to an input: th")
    assert tried("double_backward", a_subject(lambda x: x * x * x * constant(x), reference=constant)).verdict == (
        Verdict.FAIL
    )


@pytest.mark.parametrize("reference", [cube, None])
@pytest.mark.parametrize(("factor", "verdict"), [(3.0, Verdict.PASS), (3.03, Verdict.FAIL)])
def test_tangents_with_a_reference_and_without(
    reference: Callable[..., Tensor] | None, factor: float, verdict: Verdict
) -> None:
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(x: Tensor) -> Tensor:
            return x**3

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            return right(ctx.saved_tensors[0], grad_output)

        @staticmethod
        def jvp(ctx: Any, tangent: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            pushed: Tensor = factor * x * x * tangent
            return pushed

    assert tried("jvp", a_subject(Cube.apply, reference=reference)).verdict == verdict


def test_a_tangent_that_an_operator_drops_is_unsupported_and_named() -> None:
    found = tried("jvp", a_subject(lambda x: doubled(x) + x, reference=lambda x: 3 * x))
    assert found.verdict == Verdict.UNSUPPORTED
    assert found.detail.startswith("jvp: gradgauge_tests.doubled.default has no forward mode")
    wrong = tried("jvp", a_subject(lambda x: x.detach() + x, reference=lambda x: 2 * x))
    assert wrong.verdict == Verdict.FAIL


def test_no_elements_have_no_derivative_to_be_wrong() -> None:
    assert tried("double_backward", a_subject(cube, (0, 4), reference=cube)).verdict == Verdict.PASS
