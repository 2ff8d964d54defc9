from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge.calling import gradients_of
from gradgauge.cases import DTYPES
from gradgauge.catalog import Catalog, FunctionEntry
from gradgauge.error_budgets import LEAST_ULP, SAFETY, Budgets, derive_budgets, sample_truth
from gradgauge.inputs import FARTHEST, cotangents
from gradgauge.oracle import Cotangents, Truth, tell_truth
from gradgauge.profiles import Profile
from gradgauge.ulps import count_ulps
from tests.fakes import a_case, a_function, an_entry

BUILTIN = ("multiply", "relu", "ternary_activation")
ONE_ROUNDING = {dtype: LEAST_ULP + SAFETY * (1.0 if dtype == "float64" else 0.5) for dtype in DTYPES}
"""In float64 the oracle is rounded, too."""


def budgets_of(entry: FunctionEntry, dtype: str = "float32") -> tuple[Truth, Budgets]:
    truth = sample_truth(a_case(function=entry.name, dtype=dtype), entry)
    return truth, derive_budgets(entry, truth)


def excused(call: Callable[..., Any], dtype: str = "float32", **fields: Any) -> tuple[float, float]:
    """Return the most that is excused of value and gradient of a function of one input, the call its reference."""
    truth, budgets = budgets_of(an_entry(a_function(**fields), reference=call), dtype)
    return float(budgets.of_value(truth, 0).max()), float(budgets.of_gradient(truth, 0).max())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", [lambda x: x.clamp(min=0), torch.relu, lambda x: torch.where(x < 0, 0, x)])
def test_where_no_step_rounds_only_the_result_is_rounded(call: Callable[..., Any], dtype: str) -> None:
    assert excused(call, dtype) == (0.5, 0.5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_product_costs_one_rounding(dtype: str) -> None:
    assert excused(lambda x: 3 * x, dtype, gradient_scale=3.0) == pytest.approx((ONE_ROUNDING[dtype],) * 2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_chain_of_two_roundings_costs_more_than_one_and_has_a_limit(dtype: str) -> None:
    # Of the result's ulps the first is worth up to 0.75, and the second a whole one where it has come into a coarser
    # binade. In float64 subnormals are not taken for exact, and there the first is worth 3.
    limit = 4.0 if dtype == "float64" else 1.75
    for ulps in excused(lambda x: 3 * (3 * x), dtype, gradient_scale=9.0):
        assert ONE_ROUNDING[dtype] < ulps <= LEAST_ULP + SAFETY * limit


def from_two_to_six(generator: torch.Generator, shapes: tuple[tuple[int, ...], ...]) -> tuple[Tensor, ...]:
    return tuple(2 + 4 * torch.rand(shape, generator=generator) for shape in shapes)


def test_a_gradient_that_cancels_costs_more_than_one_that_does_not() -> None:
    # Autograd's slope of y = σ is (1 − y) · y, and y is nearly 1 in the first alone.
    fields: dict[str, Any] = {"gradient_scale": 1e-3, "sample": from_two_to_six, "shapes": {"quick": ("32x32",)}}
    _, cancelling = excused(torch.sigmoid, **fields)
    _, careful = excused(lambda x: 1 - torch.sigmoid(-x), **fields)
    assert cancelling > 20 * careful


def test_what_another_formulation_costs_is_excused() -> None:
    longer = excused(lambda x: 3 * x, gradient_scale=3.0, formulations=(lambda x: 4.1 * x - 1.2 * x + 0.1 * x,))
    assert min(longer) > ONE_ROUNDING["float32"] * 1.01


def test_a_budget_that_the_spec_states_stands() -> None:
    value, gradient = excused(torch.exp)
    assert excused(torch.exp, value_budget_ulp=0.75) == (0.75, gradient)
    assert excused(torch.exp, gradient_budget_ulp=7.0) == (value, 7.0)
    assert excused(torch.exp, value_budget_ulp=0.75, gradient_budget_ulp=7.0) == (0.75, 7.0)


def test_where_both_are_stated_nothing_is_derived() -> None:
    def refuse(x: Tensor) -> Tensor:
        assert not torch._C._len_torch_dispatch_stack()
        return 2 * x

    assert excused(refuse, value_budget_ulp=1.0, gradient_budget_ulp=2.0) == (1.0, 2.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BUILTIN)
def test_budgets_are_the_same_each_time_and_whatever_torch_drew_before(catalog: Catalog, name: str, dtype: str) -> None:
    entry = catalog.functions[name]
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        truth, budgets = budgets_of(entry, dtype)
        found += [budgets.of_value(truth, 0), budgets.of_gradient(truth, 0)]
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[1], found[3])


def test_each_output_and_each_input_has_a_budget_of_its_own() -> None:
    entry = an_entry(
        a_function(inputs=("a", "b"), gradient_scale=2.0), name="two", reference=lambda a, b: (3 * a, b.abs())
    )
    truth, budgets = budgets_of(entry)
    assert [float(budgets.of_value(truth, index).max()) for index in range(2)] == pytest.approx(
        [ONE_ROUNDING["float32"], 0.5]
    )
    assert [float(budgets.of_gradient(truth, index).max()) for index in range(2)] == pytest.approx(
        [ONE_ROUNDING["float32"], 0.5]
    )


def in_place(x: Tensor) -> Tensor:
    y = x.clone()
    y *= 3
    return y


def masked(x: Tensor) -> Tensor:
    y = 3 * x
    y[x < 0] = 3 * x[x < 0]
    return y


@pytest.mark.parametrize("call", [in_place, masked])
def test_formulations_that_write_in_place_or_through_masks_cost_what_they_compute(call: Callable[..., Any]) -> None:
    one = ONE_ROUNDING["float32"]
    value, gradient = excused(call, gradient_scale=3.0)
    assert value == pytest.approx(one)
    # What two paths bring to one element is added up, which may round once more.
    assert one * 0.999 <= gradient <= one + SAFETY * 0.5
    assert min(excused(lambda x: 3 * x, gradient_scale=3.0, formulations=(call,))) >= one * 0.999


# --- one number, a profile, or what is derived on the tensors themselves ---------------------------------------------


def test_what_is_alike_everywhere_is_one_number() -> None:
    _, budgets = budgets_of(an_entry(a_function(gradient_scale=3.0), reference=lambda x: 3 * x))
    for (budget,) in (budgets.values, budgets.gradients):
        assert budget == pytest.approx(ONE_ROUNDING["float32"])


def test_what_cancels_at_one_place_is_excused_there_and_nowhere_else() -> None:
    entry = an_entry(reference=lambda x: (x + 3) - 3)
    _, budgets = budgets_of(entry)
    assert isinstance(budgets.values[0], Profile)
    elsewhere = tell_truth(entry, (torch.tensor([1e-3, 50.0]),), ones)
    near, far = budgets.of_value(elsewhere, 0).tolist()
    assert near > 500  # half an ulp of 3 in ulps of 1e-3
    assert far < 4


def test_what_cancels_between_two_inputs_is_derived_on_the_tensors_in_hand() -> None:
    entry = an_entry(a_function(inputs=("a", "b")), name="difference", reference=lambda a, b: 3 * a - 3 * b)
    _, budgets = budgets_of(entry)
    assert budgets.values == (None,)
    a, b = torch.tensor([1 / 3, 100 / 3]), torch.tensor([1 / 3 + 1e-5, 1.0])
    near, far = budgets.of_value(tell_truth(entry, (a, b), ones), 0).tolist()
    assert near > 1e3
    assert far < 4


def test_a_function_that_mixes_its_elements_is_derived_on_the_tensors_in_hand() -> None:
    entry = an_entry(reference=lambda x: x - x.mean(dim=-1, keepdim=True))
    _, budgets = budgets_of(entry)
    assert budgets.values == (None,)


def ones(outputs: Any) -> tuple[Tensor, ...]:
    return tuple(torch.ones_like(output) for output in outputs)


# --- sums -----------------------------------------------------------------------------------------------------------


def product_scale(inputs: tuple[Tensor, ...], grad_outputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    (a, b), (grad,) = inputs, grad_outputs
    return (grad * b).abs().sum_to_size(a.shape), (grad * a).abs().sum_to_size(b.shape)


PRODUCT = an_entry(
    a_function(inputs=("a", "b"), gradient_scale=product_scale), name="product", reference=lambda a, b: a * b
)


def product_truth(
    dtype: str, *shapes: tuple[int, ...], positive: bool = False, cotangents_of: Cotangents | None = None
) -> Truth:
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(shape, generator=generator) for shape in shapes]
    inputs = tuple((each.abs() if positive else each).to(getattr(torch, dtype)) for each in drawn)
    return tell_truth(PRODUCT, inputs, cotangents_of or (lambda outputs: cotangents(outputs, generator)))


def excused_of_b(budgets: Budgets, truth: Truth) -> float:
    return float(budgets.of_gradient(truth, 1))


@pytest.mark.parametrize(
    ("dtype", "accumulator"), [("float64", 1.0), ("float32", 1.0), ("bfloat16", 2.0**-16), ("float16", 2.0**-13)]
)
def test_a_sum_of_n_terms_may_err_by_root_n_roundings_of_its_accumulator(dtype: str, accumulator: float) -> None:
    budgets = Budgets(PRODUCT, (0.5,), (0.5, 0.75))
    for terms in (4, 16, 64):
        found = excused_of_b(budgets, product_truth(dtype, (terms, 8), (8,)))
        assert found == pytest.approx(2 * 0.75 + math.sqrt(terms) * accumulator + 0.5)


@pytest.mark.parametrize("shapes", [((4, 8), (4, 8)), ((0, 8), (8,)), ((8,), (8,))])
def test_where_nothing_is_summed_nothing_is_added(shapes: tuple[tuple[int, ...], ...]) -> None:
    assert excused_of_b(Budgets(PRODUCT, (0.5,), (0.5, 0.75)), product_truth("float32", *shapes)) == 0.75


def test_the_input_that_is_not_broadcast_has_its_own_budget() -> None:
    budgets = Budgets(PRODUCT, (0.5,), (0.5, 0.75))
    assert float(budgets.of_gradient(product_truth("float32", (4, 8), (8,)), 0)) == 0.5


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("terms", [2, 3, 10, 60])
def test_an_honest_sum_stays_within_its_budget(dtype: str, terms: int) -> None:
    truth = product_truth(dtype, (terms, 8000), (8000,))
    a, b = (tensor.clone().requires_grad_() for tensor in truth.inputs)
    gradient = gradients_of((a * b,), (a, b), truth.grad_outputs)[1]
    errors = count_ulps(gradient.double() - truth.gradients[1], truth.slopes_scale[1], gradient.dtype)
    # A term's own error is one rounding, half of what a single product is excused.
    assert float(errors.max()) <= excused_of_b(Budgets(PRODUCT, (0.5,), (0.5, 0.5)), truth)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_sum_kept_in_half_precision_does_not(dtype: str) -> None:
    truth = product_truth(dtype, (4096, 16), (16,), positive=True, cotangents_of=ones)
    total = torch.zeros(16, dtype=truth.inputs[0].dtype)
    for term in truth.inputs[0]:
        total += term
    errors = count_ulps(total.double() - truth.gradients[1], truth.slopes_scale[1], total.dtype)
    _, budgets = budgets_of(PRODUCT, dtype)
    assert float(errors.max()) > 3 * excused_of_b(budgets, truth)


# --- what they are derived on ---------------------------------------------------------------------------------------


def test_the_sample_does_not_depend_on_shape_layout_or_implementation() -> None:
    entry = an_entry(a_function(breakpoints=(-5.0, 5.0)), reference=lambda x: x.clamp(-5, 5))
    case = a_case(dtype="float32", shape="8x8")
    first = sample_truth(case, entry)
    again = sample_truth(replace(case, shape="3", layout="strided", implementation="where", mode="compiled"), entry)
    assert torch.equal(first.inputs[0], again.inputs[0])
    assert torch.equal(first.grad_outputs[0], again.grad_outputs[0])
    assert first.inputs[0].shape == (64, 64)


def test_the_finite_edges_and_what_lies_far_out_are_among_the_sample() -> None:
    entry = an_entry(a_function(edges=(30.0,)), reference=lambda x: 2 * x)
    x = sample_truth(a_case(), entry).inputs[0]
    assert (x == 30).any()
    assert (x == torch.finfo(torch.float32).max).any()
    assert x.isfinite().all()
    for sign in (-1, 1):
        far = (sign * x > 100) & (sign * x <= 1.001 * FARTHEST)
        assert int(far.sum()) > 20


def test_a_function_that_refuses_that_shape_is_sampled_in_its_own_smallest() -> None:
    entry = an_entry(a_function(shapes={"quick": ("3x2", "6x1")}), reference=lambda x: x.reshape(3, 2) * 2)
    assert sample_truth(a_case(), entry).inputs[0].shape == (3, 2)


def test_a_function_that_draws_its_own_inputs_is_sampled_on_those() -> None:
    entry = an_entry(a_function(sample=from_two_to_six, shapes={"quick": ("5",)}), reference=lambda x: 2 * x)
    x = sample_truth(a_case(), entry).inputs[0]
    assert x.shape == (5,)
    assert ((x >= 2) & (x <= 6)).all()
