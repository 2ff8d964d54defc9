from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge.backwards import Returned, watch_backwards


class Product(torch.autograd.Function):
    """Each gradient in the shape and dtype of its input, and only where it is asked for."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        a, b = ctx.saved_tensors
        both = (grad_output * b).sum_to_size(a.shape), (grad_output * a).sum_to_size(b.shape)
        return tuple(grad if asked else None for grad, asked in zip(both, ctx.needs_input_grad, strict=True))


class Unsummed(Product):
    """The gradients of broadcast inputs as wide as the output."""

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        return grad_output * b, grad_output * a


class Wide(Product):
    """The gradients in float64, whatever the inputs are."""

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        return (grad_output * b).double(), (grad_output * a).double()


class Twice(torch.autograd.Function):
    """Context apart from forward, and a gradient that is no tuple, of the wrong dtype."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        return 2 * grad_output.double()


class TwiceByVjp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def vjp(ctx: Any, grad_output: Tensor) -> Tensor:
        return 2 * grad_output.double()


class Raising(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        raise ArithmeticError("no gradient today")


def apply(function: type[torch.autograd.Function], *inputs: Tensor) -> Tensor:
    call: Callable[..., Tensor] = function.apply
    return call(*inputs)


def a_leaf(*shape: int, asked: bool = True) -> Tensor:
    return torch.ones(shape).requires_grad_(asked)


def watched(function: type[torch.autograd.Function], *inputs: Tensor) -> Returned:
    output = apply(function, *inputs)
    with watch_backwards((output,)) as returned:
        output.sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return returned


def test_gradients_that_fit_are_not_mentioned() -> None:
    assert watched(Product, a_leaf(2, 3), a_leaf(3)) == Returned()


def test_a_gradient_that_autograd_has_to_sum_is_told_with_both_shapes() -> None:
    found = watched(Unsummed, a_leaf(2, 3), a_leaf(3))
    assert found.mended == ["gradient 1 came with shape (2, 3), its input has (3,)"]


def test_a_gradient_that_autograd_has_to_cast_is_told_with_both_dtypes() -> None:
    found = watched(Wide, a_leaf(3), a_leaf(3))
    assert found.mended == [
        f"gradient {index} came with dtype torch.float64, its input has torch.float32" for index in range(2)
    ]


def test_a_gradient_that_is_wrong_in_both_is_told_twice() -> None:
    class Both(Product):
        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
            return grad_output.double().expand(2, 3), None

    assert [each.split(" came with ")[1].split()[0] for each in watched(Both, a_leaf(3), a_leaf(3)).mended] == [
        "shape",
        "dtype",
    ]


def test_a_gradient_that_nobody_asked_for_is_needless_and_its_shape_is_not_looked_at() -> None:
    assert watched(Unsummed, a_leaf(2, 3), a_leaf(3, asked=False)) == Returned(needless=1)
    assert watched(Product, a_leaf(2, 3), a_leaf(3, asked=False)) == Returned()


def test_the_input_that_is_asked_for_is_told_apart_from_the_one_before_it() -> None:
    found = watched(Unsummed, a_leaf(2, 3, asked=False), a_leaf(3))
    assert found == Returned(["gradient 1 came with shape (2, 3), its input has (3,)"], needless=1)


def test_a_gradient_that_is_asked_for_and_none_hides_no_other() -> None:
    class OnlySecond(Product):
        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> tuple[None, Tensor]:
            return None, grad_output

    found = watched(OnlySecond, a_leaf(2, 3), a_leaf(3))
    assert found == Returned(["gradient 1 came with shape (2, 3), its input has (3,)"])


@pytest.mark.parametrize("function", [Twice, TwiceByVjp])
def test_vjp_and_a_context_set_up_apart_are_watched_as_well(function: type[torch.autograd.Function]) -> None:
    assert watched(function, a_leaf(3)).mended == [
        "gradient 0 came with dtype torch.float64, its input has torch.float32"
    ]


def test_an_inherited_backward_is_watched_and_stays_inherited() -> None:
    class InheritingUnsummed(Unsummed):
        pass

    assert len(watched(InheritingUnsummed, a_leaf(2, 3), a_leaf(3)).mended) == 1
    assert "backward" not in vars(InheritingUnsummed)


def test_each_call_is_noted_once() -> None:
    x, y = a_leaf(3), a_leaf(3)
    output = apply(Wide, apply(Wide, x, y), y)
    with watch_backwards((output,)) as returned:
        output.sum().backward()  # type: ignore[no-untyped-call]
    assert len(returned.mended) == 4


def test_a_function_beside_the_one_that_it_inherits_from_is_noted_once() -> None:
    class Heir(Wide):
        pass

    x, y = a_leaf(3), a_leaf(3)
    for output in (apply(Heir, apply(Wide, x, y), y), apply(Wide, apply(Heir, x, y), y)):
        with watch_backwards((output,)) as returned:
            output.sum().backward()  # type: ignore[no-untyped-call]
        assert len(returned.mended) == 4


@pytest.mark.parametrize("function", [Twice, TwiceByVjp, Raising])
def test_the_class_has_its_own_backward_again_even_after_a_failure(function: type[torch.autograd.Function]) -> None:
    name = "vjp" if function is TwiceByVjp else "backward"
    before = vars(function)[name]
    output = apply(function, a_leaf(3))
    try:
        with watch_backwards((output,)):
            assert vars(function)[name] is not before
            output.sum().backward()  # type: ignore[no-untyped-call]
    except ArithmeticError:
        assert function is Raising
    assert vars(function)[name] is before


def test_an_inherited_backward_stays_inherited_after_a_failure() -> None:
    class RaisingToo(Raising):
        pass

    output = apply(RaisingToo, a_leaf(3)).sum()
    with pytest.raises(ArithmeticError), watch_backwards((output,)):
        output.backward()  # type: ignore[no-untyped-call]
    assert "backward" not in vars(RaisingToo)


def test_the_gradients_are_what_they_are_unwatched() -> None:
    a, b = a_leaf(2, 3), a_leaf(3)
    plain = torch.autograd.grad(apply(Unsummed, a, b).sum(), (a, b))
    output = apply(Unsummed, a, b)
    with watch_backwards((output,)):
        seen = torch.autograd.grad(output.sum(), (a, b))
    assert all(torch.equal(one, other) for one, other in zip(plain, seen, strict=True))


def test_pytorchs_own_operators_are_left_alone() -> None:
    x = a_leaf(3)
    output = (2 * x).sum()
    with watch_backwards((output,)) as returned:
        output.backward()  # type: ignore[no-untyped-call]
    assert returned == Returned()
