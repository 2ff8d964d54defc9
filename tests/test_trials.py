from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge.catalog import FunctionEntry
from gradgauge.inputs import cotangents
from gradgauge.oracle import Truth, tell_truth
from gradgauge.trials import Trial, Way, WrongStructure
from tests.fakes import a_case, a_function, an_entry

TWICE = an_entry(a_function(gradient_scale=2.0), reference=lambda x: 2 * x)
PRODUCT = an_entry(a_function(inputs=("a", "b")), name="product", reference=lambda a, b: a * b)
SUM_AND_DIFFERENCE = an_entry(
    a_function(inputs=("a", "b")), name="sum_and_difference", reference=lambda a, b: (a + b, a - b)
)
A = torch.arange(24.0).reshape(4, 6) + 1
B = -torch.arange(24.0).reshape(4, 6) - 2


def truth_of(entry: FunctionEntry, *inputs: Tensor) -> Truth:
    generator = torch.Generator().manual_seed(0)
    return tell_truth(entry, inputs, lambda outputs: cotangents(outputs, generator))


def tried(
    entry: FunctionEntry,
    way: Way = Way(),  # noqa: B008  (frozen)
    call: Callable[..., Any] | None = None,
    layout: str = "contiguous",
) -> Trial:
    truth = truth_of(entry, *(A, B)[: len(entry.function.inputs)])
    return Trial(a_case(layout=layout), call or entry.reference.implementation.call, truth, way).finish()


class Noting(torch.autograd.Function):
    """Twice the input; notes the strides of what forward and backward are given."""

    seen: dict[str, tuple[int, ...]] = {}  # noqa: RUF012  (the class is the test's)

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        Noting.seen["input"] = x.stride()
        return (2 * x).contiguous()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        Noting.seen["grad_output"] = grad_output.stride()
        return 2 * grad_output


def test_the_empty_way_is_the_cases_layout_a_contiguous_cotangent_and_every_gradient() -> None:
    trial = tried(PRODUCT)
    truth = truth_of(PRODUCT, A, B)
    assert [tensor.is_contiguous() for tensor in trial.inputs] == [True, True]
    assert torch.equal(trial.values[0], A * B)
    for gradient, right in zip(trial.gradients, truth.gradients, strict=True):
        assert gradient is not None
        assert torch.allclose(gradient.double(), right, rtol=1e-6)
    assert trial.overwritten == ()


@pytest.mark.parametrize(
    ("layout", "strides"), [("transposed", (1, 4)), ("strided", (12, 2)), ("sliced", (12, 1)), ("", (6, 1))]
)
def test_inputs_come_in_the_layout_of_the_way_else_of_the_case(layout: str, strides: tuple[int, ...]) -> None:
    tried(TWICE, Way(input_layout=layout), Noting.apply)
    assert Noting.seen["input"] == strides
    if layout:
        tried(TWICE, call=Noting.apply, layout=layout)
        assert Noting.seen["input"] == strides


@pytest.mark.parametrize(
    ("layout", "strides"),
    [("transposed", (1, 4)), ("strided", (12, 2)), ("sliced", (12, 1)), ("repeated", (0, 0)), ("contiguous", (6, 1))],
)
def test_the_cotangent_comes_in_the_layout_of_the_way(layout: str, strides: tuple[int, ...]) -> None:
    tried(TWICE, Way(grad_output_layout=layout), Noting.apply)
    assert Noting.seen["grad_output"] == strides


def test_a_repeated_cotangent_without_elements_has_nothing_to_repeat() -> None:
    truth = truth_of(TWICE, torch.ones(0, 3))
    trial = Trial(a_case(), lambda x: 2 * x, truth, Way(grad_output_layout="repeated")).finish()
    assert trial.gradients[0] is not None
    assert trial.gradients[0].shape == (0, 3)


def test_a_gradient_that_is_not_asked_for_is_none_and_its_input_requires_none() -> None:
    seen: list[tuple[bool, bool]] = []

    def call(a: Tensor, b: Tensor) -> Tensor:
        seen.append((a.requires_grad, b.requires_grad))
        return a * b

    trial = tried(PRODUCT, Way(asked=(False, True)), call)
    assert seen == [(False, True)]
    assert trial.gradients[0] is None
    assert trial.gradients[1] is not None
    truth = truth_of(PRODUCT, A, B)
    assert torch.allclose(trial.gradients[1].double(), truth.gradients[1], rtol=1e-6)


def test_an_output_that_is_not_answered_gets_no_cotangent() -> None:
    given: list[tuple[bool, bool]] = []

    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
            ctx.set_materialize_grads(False)
            return a + b, a - b

        @staticmethod
        def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
            first, second = grads
            given.append((first is None, second is None))
            return first if second is None else second, None

    tried(SUM_AND_DIFFERENCE, Way(answered=(True, False)), Both.apply)
    tried(SUM_AND_DIFFERENCE, Way(answered=(False, True)), Both.apply)
    tried(SUM_AND_DIFFERENCE, call=Both.apply)
    assert given == [(False, True), (True, False), (False, False)]


# --- what belongs to the caller -------------------------------------------------------------------------------------


def spoiling(of: str) -> Callable[..., Tensor]:
    """Return twice the input, by a Function that writes into what its forward or its backward is given."""

    class Spoiling(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            result = 2 * x
            if of == "input":
                x.detach().mul_(3)
            return result

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            result = 2 * grad_output
            if of == "grad_output":
                grad_output.mul_(3)
            if of == "input in backward":
                ctx.saved_tensors[0].detach().zero_()
            return result

    return Spoiling.apply


@pytest.mark.parametrize(
    ("of", "overwritten"),
    [
        ("input", ("input 0",)),
        ("grad_output", ("grad_output 0",)),
        ("input in backward", ("input 0",)),
        ("nothing", ()),
    ],
)
def test_writing_into_the_callers_tensors_is_found_and_spoils_no_truth(of: str, overwritten: tuple[str, ...]) -> None:
    truth = truth_of(TWICE, A.clone())
    before = [tensor.clone() for tensor in (*truth.inputs, *truth.grad_outputs, *truth.values, *truth.gradients)]
    trial = Trial(a_case(), spoiling(of), truth).finish()
    assert trial.overwritten == overwritten
    after = (*truth.inputs, *truth.grad_outputs, *truth.values, *truth.gradients)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_the_second_of_two_inputs_is_named_by_its_number() -> None:
    class SpoilingTheSecond(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
            result = a * b
            b.detach()[0, 0] = 7.0
            return result

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor]:
            return grad_output, grad_output

    assert tried(PRODUCT, call=SpoilingTheSecond.apply).overwritten == ("input 1",)


def test_nan_that_stays_nan_is_not_overwritten() -> None:
    truth = truth_of(TWICE, torch.tensor([torch.nan, 1.0]))
    assert Trial(a_case(), lambda x: 2 * x, truth).finish().overwritten == ()


def test_a_nan_put_in_place_of_a_number_is() -> None:
    def call(x: Tensor) -> Tensor:
        result = 2 * x
        x.detach()[1] = torch.nan
        return result

    truth = truth_of(TWICE, torch.tensor([torch.nan, 1.0]))
    assert Trial(a_case(), call, truth).finish().overwritten == ("input 0",)


def test_several_trials_may_be_under_way_at_once() -> None:
    truths = [truth_of(TWICE, A), truth_of(TWICE, B)]
    trials = [Trial(a_case(), lambda x: 2 * x, truth) for truth in truths]
    for trial, truth in zip(trials, truths, strict=True):
        gradient = trial.finish().gradients[0]
        assert gradient is not None
        assert torch.equal(gradient.double(), truth.gradients[0])


# --- outputs of the wrong kind --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x: (2 * x, x), r"^returned a tuple where the reference returns a tensor$"),
        (lambda x: (2 * x,), r"^returned a tuple where the reference returns a tensor$"),
        (lambda x: (2 * x)[:3], r"^output 0 has shape \(3, 6\), the reference has \(4, 6\)$"),
        (lambda x: (2 * x).double(), r"^output 0 has dtype torch\.float64, the reference has torch\.float32$"),
        (lambda x: 2 * x.to("meta"), r"^output 0 has device meta, the reference has cpu$"),
    ],
)
def test_an_output_of_another_kind_shape_dtype_or_device_is_told(call: Callable[..., Any], said: str) -> None:
    with pytest.raises(WrongStructure, match=said):
        tried(TWICE, call=call)


def test_one_output_in_place_of_two_is_told() -> None:
    with pytest.raises(WrongStructure, match=r"^returned a tensor where the reference returns a tuple$"):
        tried(SUM_AND_DIFFERENCE, call=lambda a, b: a + b)
    with pytest.raises(WrongStructure, match=r"^3 outputs, the reference has 2$"):
        tried(SUM_AND_DIFFERENCE, call=lambda a, b: (a + b, a - b, a))


def test_the_second_output_is_named_by_its_number() -> None:
    with pytest.raises(WrongStructure, match=r"^output 1 has shape "):
        tried(SUM_AND_DIFFERENCE, call=lambda a, b: (a + b, (a - b)[0]))


def test_what_a_custom_backward_returns_is_noted() -> None:
    class Wide(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor]:
            a, b = ctx.saved_tensors
            return (grad_output * b).double(), grad_output * a

    assert len(tried(PRODUCT, call=Wide.apply).returned.mended) == 1
    assert tried(PRODUCT, Way(asked=(True, False)), Wide.apply).returned.needless == 1
