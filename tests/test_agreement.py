from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge.agreement import Agreement, Comparison, compare_gradients, compare_values, judge
from gradgauge.atlas import KINDS
from gradgauge.calling import Disconnected
from gradgauge.cases import DTYPES, Case
from gradgauge.catalog import Catalog, FunctionEntry
from gradgauge.error_budgets import Budgets, derive_budgets, sample_truth
from gradgauge.model import kink_at
from gradgauge.oracle import Truth
from gradgauge.situations import Situation, main_situation
from gradgauge.trials import Way, WrongStructure
from tests.fakes import a_case, a_function, an_entry
from tests.test_oracle import MIN_MAX, truth_of

NAN, INF = math.nan, math.inf
RELU = an_entry(a_function(kinks=(kink_at(0.0, 0.0, 1.0),)), reference=lambda x: x.clamp(min=0))
TWICE = an_entry(a_function(gradient_scale=2.0), reference=lambda x: 2 * x)


def custom(forward: Callable[[Tensor], Tensor], backward: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Return a call with the given value and the given gradient of (x, grad_output)."""

    class Custom(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return forward(x)

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            return backward(ctx.saved_tensors[0], grad_output)

    return Custom.apply


HALF = torch.tensor(0.5, dtype=torch.float64)


class Judged:
    """What one truth came to, all its elements of one kind."""

    def __init__(self, agreement: Agreement) -> None:
        self.values = [parts["all"] for parts in agreement.values]
        self.gradients = [parts["all"] for parts in agreement.gradients]
        self.kink_slopes, self.overwritten = agreement.kink_slopes, agreement.overwritten


def judged(entry: FunctionEntry, call: Callable[..., Any], *inputs: Tensor, dtype: str = "float32") -> Judged:
    truth = truth_of(entry, *inputs)
    budgets = Budgets(entry, (0.5,) * len(truth.values), (0.5,) * len(inputs))
    return Judged(judge(a_case(dtype=dtype), entry, call, Situation("all", ((truth, Way()),)), budgets))


def untold(comparison: Comparison) -> tuple[int, float, int]:
    return comparison.elements, comparison.max_ulp, comparison.nonfinite


X = torch.tensor([-2.0, -0.5, 0.5, 1.0, 3.0])


def test_the_reference_agrees_with_itself_to_the_last_bit() -> None:
    agreement = judged(TWICE, lambda x: x + x, X)
    assert [untold(each) for each in agreement.values + agreement.gradients] == [(5, 0.0, 0)] * 2
    for each in agreement.values + agreement.gradients:
        assert (each.max_abs, each.max_rel, each.p999_ulp, each.worst) == (0.0, 0.0, 0.0, "")
        assert each.cosine == pytest.approx(1.0, abs=1e-15)


def test_a_value_one_ulp_off_counts_one() -> None:
    def up(x: Tensor) -> Tensor:
        return torch.nextafter(2 * x, torch.tensor(INF))

    agreement = judged(TWICE, custom(up, lambda x, g: 2 * g), torch.tensor([1.0, 1.5, 3.0]))
    assert agreement.values[0].max_ulp == 1.0
    assert agreement.values[0].nonfinite == 0
    assert agreement.gradients[0].max_ulp == 0.0


def test_a_gradient_of_zero_is_wrong_by_the_whole_gradient() -> None:
    agreement = judged(TWICE, custom(lambda x: 2 * x, lambda x, g: 0 * g), X)
    # |2g| / ulp(2g) lies between 1/eps and 2/eps.
    eps = torch.finfo(torch.float32).eps
    assert 1 / eps <= agreement.gradients[0].max_ulp <= 2 / eps
    assert agreement.values[0].max_ulp == 0.0


def test_a_sign_fault_is_wrong_by_twice_the_gradient() -> None:
    zero = judged(TWICE, custom(lambda x: 2 * x, lambda x, g: 0 * g), X)
    sign = judged(TWICE, custom(lambda x: 2 * x, lambda x, g: -2 * g), X)
    assert sign.gradients[0].max_ulp == 2 * zero.gradients[0].max_ulp


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_percent_off_is_seen_in_every_dtype(dtype: str) -> None:
    x = X.to(getattr(torch, dtype))
    agreement = judged(TWICE, custom(lambda x: 2 * x, lambda x, g: 2.02 * g), x, dtype=dtype)
    eps = torch.finfo(x.dtype).eps
    assert agreement.gradients[0].max_ulp == pytest.approx(0.015 / eps, rel=0.5)
    assert agreement.gradients[0].max_ulp > 0.5


def test_the_place_of_the_largest_error_is_told_with_input_given_and_right() -> None:
    def spoil(x: Tensor) -> Tensor:
        return torch.where(x == 3, 7, 2 * x)

    worst = judged(TWICE, custom(spoil, lambda x, g: 2 * g), X).values[0].worst
    where = "1.167 times what is right for x = 3; at (3): 7 where 6 is right"
    assert worst == f"2.097e+06 ulp where 0.5 are excused; {where}"


def test_where_shapes_differ_the_place_is_a_flat_index() -> None:
    entry = an_entry(reference=lambda x: x.sum())
    worst = judged(entry, lambda x: x.sum() + 1, X).values[0].worst
    assert worst.endswith("; at flat index 0: 3 where 2 is right")


# --- what is not finite ---------------------------------------------------------------------------------------------


def test_nan_turned_into_zero_is_one_value_whose_finiteness_differs() -> None:
    x = torch.tensor([NAN, 1.0, -1.0])
    agreement = judged(RELU, lambda x: torch.where(x > 0, x, 0), x)
    assert agreement.values[0].nonfinite == 1
    told = "finite where it should not be for x = NaN; at (nan): 0 where nan is right"
    assert agreement.values[0].worst_nonfinite == told
    assert agreement.values[0].max_ulp == 0.0


def test_at_a_nan_input_the_gradient_may_be_anything() -> None:
    x = torch.tensor([NAN, 1.0])
    agreement = judged(RELU, custom(lambda x: x.clamp(min=0), lambda x, g: torch.where(x.isnan(), 1e30, g)), x)
    assert untold(agreement.gradients[0]) == (1, 0.0, 0)


def test_one_nan_among_the_gradients_is_counted_and_spoils_no_other_figure() -> None:
    call = custom(lambda x: 2 * x, lambda x, g: torch.where(x == 1, NAN, 2 * g))
    gradient = judged(TWICE, call, X).gradients[0]
    assert (gradient.nonfinite, gradient.elements, gradient.max_ulp) == (1, 5, 0.0)
    assert gradient.worst_nonfinite.startswith("NaN for x = 1; at (1): nan where ")


def test_a_wrong_gradient_beside_a_nan_is_still_seen() -> None:
    call = custom(lambda x: 2 * x, lambda x, g: torch.where(x == 1, NAN, -2 * g))
    gradient = judged(TWICE, call, X).gradients[0]
    assert gradient.nonfinite == 1
    assert gradient.max_ulp > 1e6


@pytest.mark.parametrize(("given", "nonfinite"), [(INF, 0), (-INF, 1), (NAN, 1), (3.0e38, 1), (0.0, 1)])
def test_an_infinity_must_be_the_same_infinity(given: float, nonfinite: int) -> None:
    entry = an_entry(reference=lambda x: 1 / x)
    call = custom(lambda x: torch.where(x == 0, given, 1 / x), lambda x, g: -g / x**2)
    assert judged(entry, call, torch.tensor([0.0, 2.0])).values[0].nonfinite == nonfinite


def test_a_value_that_the_dtype_cannot_hold_is_rightly_infinite() -> None:
    x = torch.tensor([60000.0, 1.0], dtype=torch.float16)
    assert untold(judged(TWICE, lambda x: 2 * x, x, dtype="float16").values[0]) == (2, 0.0, 0)
    held = custom(lambda x: (2 * x).clamp(max=1000), lambda x, g: 2 * g)
    assert judged(TWICE, held, x, dtype="float16").values[0].nonfinite == 1


def test_on_the_brink_of_overflow_the_largest_number_and_infinity_are_both_right() -> None:
    largest = torch.finfo(torch.float32).max
    entry = an_entry(reference=lambda x: x * (1 + 1e-9))
    to_infinity = custom(lambda x: torch.where(x > 1e38, INF, x), lambda x, g: g)
    assert judged(entry, to_infinity, torch.tensor([largest, 1.0])).values[0].nonfinite == 0
    assert judged(entry, to_infinity, torch.tensor([largest / 2, 1.0])).values[0].nonfinite == 1


# --- kinks ----------------------------------------------------------------------------------------------------------


def with_slope(slope: float) -> Callable[..., Tensor]:
    return custom(lambda x: x.clamp(min=0), lambda x, g: torch.where(x == 0, slope * g, torch.where(x < 0, 0, g)))


@pytest.mark.parametrize(("slope", "right"), [(0.0, True), (0.5, True), (1.0, True), (-0.1, False), (1.1, False)])
def test_at_a_kink_any_slope_between_the_one_sided_ones_passes(slope: float, right: bool) -> None:
    agreement = judged(RELU, with_slope(slope), torch.tensor([-1.0, 0.0, 0.0, 0.0, 2.0]))
    assert (agreement.gradients[0].max_ulp <= 0.5) is right
    assert agreement.kink_slopes["x = 0"] == pytest.approx(slope, abs=1e-6)


def test_a_kink_that_no_input_meets_has_no_slope() -> None:
    assert judged(RELU, with_slope(0.5), torch.tensor([1.0, 2.0])).kink_slopes == {}


@pytest.mark.parametrize(("share", "right"), [(0.0, True), (0.5, True), (1.0, True), (2.0, False)])
def test_two_outputs_with_a_kink_where_two_inputs_meet(share: float, right: bool) -> None:
    class MinMax(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
            ctx.save_for_backward(a, b)
            return torch.minimum(a, b), torch.maximum(a, b)

        @staticmethod
        def backward(ctx: Any, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
            a, b = ctx.saved_tensors
            part = torch.where(a < b, 1.0, torch.where(a > b, 0.0, share))
            return part * low + (1 - part) * high, (1 - part) * low + part * high

    a, b = torch.tensor([1.0, 2.0, 5.0, 7.0]), torch.tensor([3.0, 2.0, 4.0, 7.0])
    agreement = judged(MIN_MAX, MinMax.apply, a, b)
    assert len(agreement.values) == len(agreement.gradients) == 2
    assert [gradient.max_ulp <= 0.5 for gradient in agreement.gradients] == [right, right]


# --- scales and tails -----------------------------------------------------------------------------------------------


def test_a_gradient_is_measured_at_the_largest_slope_and_its_tail_apart() -> None:
    tiny = 2.0**-20
    entry = an_entry(a_function(gradient_scale=1.0), reference=lambda x: torch.where(x > 0, x, tiny * x))
    half = custom(lambda x: torch.where(x > 0, x, tiny * x), lambda x, g: torch.where(x > 0, g, tiny / 2 * g))
    gradient = judged(entry, half, X).gradients[0]
    eps = torch.finfo(torch.float32).eps
    assert 1 <= gradient.max_ulp <= 8  # 2^-21 of the scale is 2^-21 / 2^-23 = 4 ulp, give or take the binade
    assert gradient.tail_ulp is not None
    assert 0.5 / eps <= gradient.tail_ulp <= 1 / eps


def test_without_small_gradients_there_is_no_tail() -> None:
    assert judged(TWICE, lambda x: 2 * x, X).gradients[0].tail_ulp is None


def test_a_sum_that_cancels_is_forgiven_its_terms_roundings_and_nothing_more(catalog: Catalog) -> None:
    entry = catalog.functions["multiply"]
    a, b = torch.randn(1000, 3, generator=torch.Generator().manual_seed(1)), torch.ones(3)
    good = judged(entry, lambda a, b: a * b, a, b).gradients[1]
    bad = judged(entry, lambda a, b: a * (1.01 * b) - 0.01 * (a * b).detach(), a, b).gradients[1]
    assert good.is_within_budget
    assert bad.times_budget > 100


def test_a_cosine_is_that_of_what_was_computed_and_what_is_right() -> None:
    opposite = judged(TWICE, custom(lambda x: 2 * x, lambda x, g: -2 * g), X).gradients[0]
    assert opposite.cosine == pytest.approx(-1.0)
    nothing = judged(TWICE, custom(lambda x: 2 * x, lambda x, g: 0 * g), X).gradients[0]
    assert nothing.cosine is None


def test_absolute_and_relative_errors_are_told_besides_ulps() -> None:
    value = judged(TWICE, custom(lambda x: torch.where(x == 3, 7.5, 2 * x), lambda x, g: 2 * g), X).values[0]
    assert (value.max_abs, value.max_rel) == (1.5, 0.25)


def test_999_of_1000_elements_decide_on_the_percentile_and_not_the_worst() -> None:
    x = torch.arange(1.0, 2001.0)
    one, three = (
        judged(TWICE, custom(lambda x, last=last: torch.where(x > last, 0, 2 * x), lambda x, g: 2 * g), x).values[0]  # type: ignore[misc]
        for last in (1999, 1997)
    )
    assert (one.p999_ulp, three.p999_ulp > 1e6) == (0.0, True)
    assert one.max_ulp > 1e6


def test_a_zero_of_the_other_sign_is_counted() -> None:
    x = torch.tensor([0.0, -0.0, 1.0])
    assert judged(TWICE, custom(lambda x: (2 * x).abs() * x.sign(), lambda x, g: 2 * g), x).values[0].zero_signs == 1
    assert judged(TWICE, lambda x: 2 * x, x).values[0].zero_signs == 0


# --- structure ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: (x, x), "returned a tuple where the reference returns a tensor"),
        (lambda x: x.unsqueeze(0), r"output 0 has shape \(1, 5\), the reference has \(5,\)"),
        (lambda x: 2 * x.double(), "output 0 has dtype torch.float64, the reference has torch.float32"),
        (lambda x: x.to("meta"), "output 0 has device meta, the reference has cpu"),
    ],
)
def test_outputs_of_the_wrong_structure_are_refused_saying_what_is_right(call: Any, message: str) -> None:
    with pytest.raises(WrongStructure, match=message):
        judged(TWICE, call, X)


def test_an_output_that_no_input_reaches_is_told() -> None:
    with pytest.raises(Disconnected, match="no output is connected"):
        judged(TWICE, lambda x: 2 * x.detach(), X)


def test_who_writes_into_the_callers_tensors_is_named() -> None:
    # In a Function's forward autograd looks away, so nothing but our own check sees it.
    writes_input = custom(lambda x: x.mul_(3).clone(), lambda x, g: 2 * g)
    assert judged(TWICE, writes_input, X).overwritten == ["input 0"]
    assert judged(TWICE, custom(lambda x: 2 * x, lambda x, g: g.mul_(2)), X).overwritten == ["grad_output 0"]
    assert judged(TWICE, custom(lambda x: 2 * x, lambda x, g: 2 * g), X).overwritten == []


def test_an_error_that_is_no_number_is_the_worst_there_is() -> None:
    truth = truth_of(TWICE, X)
    compared = replace(compare_values(2 * X, truth, 0), ulps=torch.tensor([0.0, NAN, 1.0, 0.0, 0.0]))
    comparison = compared.by_kind("all", TWICE, HALF)["all"]
    assert comparison.max_ulp == INF
    assert not comparison.is_within_budget
    assert "at (-0.5)" in comparison.worst


# --- kinds ----------------------------------------------------------------------------------------------------------


def test_elements_are_judged_apart_by_what_they_are() -> None:
    kinds = torch.tensor(
        [KINDS.index(kind) for kind in ("random", "kinks", "edges", "nonfinite", "random")], dtype=torch.int8
    )
    truth = truth_of(TWICE, torch.tensor([1.0, 2.0, 3.0, INF, 5.0]), kinds=kinds)
    parts = compare_values(torch.tensor([2.0, 4.0, 6.5, INF, 10.0]), truth, 0).by_kind("", TWICE, HALF)
    assert {kind: part.elements for kind, part in parts.items()} == {
        "random": 2,
        "kinks": 1,
        "edges": 1,
        "nonfinite": 1,
    }
    assert {kind for kind, part in parts.items() if part.max_ulp > 0} == {"edges"}


def test_where_elements_of_inputs_and_outputs_do_not_correspond_all_are_edges(catalog: Catalog) -> None:
    entry = catalog.functions["multiply"]
    truth = truth_of(entry, torch.ones(2, 3), torch.ones(3), kinds=torch.zeros(2, 3, dtype=torch.int8))
    assert set(compare_gradients(torch.ones(3), truth, 1).by_kind("", entry, HALF)) == {"edges"}


# --- merging --------------------------------------------------------------------------------------------------------


def test_merging_keeps_the_worst_of_both() -> None:
    one = Comparison(10, 2.0, max_ulp=2.0, nonfinite=1, worst="here", worst_nonfinite="there", dots=(1.0, 2.0, 3.0))
    one.merge(Comparison(5, 7.0, max_ulp=7.0, nonfinite=2, tail_ulp=3.0, worst="worse", dots=(1.0, 1.0, 1.0)))
    assert (one.elements, one.max_ulp, one.nonfinite, one.tail_ulp) == (15, 7.0, 3, 3.0)
    assert (one.worst, one.worst_nonfinite, one.dots) == ("worse", "there", (2.0, 3.0, 4.0))
    one.merge(Comparison(1, 0.1, max_ulp=0.5, tail_ulp=9.0, worst="small"))
    assert (one.elements, one.max_ulp, one.tail_ulp, one.worst) == (16, 7.0, 9.0, "worse")


def test_merging_tells_of_the_error_that_is_farthest_beyond_what_is_excused() -> None:
    one = Comparison(10, 0.9, max_ulp=60.0)
    one.merge(Comparison(10, 6.0, max_ulp=3.0, worst="beyond"))
    assert (one.max_ulp, one.times_budget, one.worst, one.is_within_budget) == (60.0, 6.0, "beyond", False)


# --- what a block is judged on --------------------------------------------------------------------------------------


def truths(catalog: Catalog, **changes: str) -> list[Truth]:
    case = a_case(**changes)
    return [truth for truth, _ in main_situation(case, catalog.functions[case.function], 0).trials]


def edges_in(truth: Truth) -> int:
    return 0 if truth.kinds is None else int((truth.kinds != 0).sum())


def test_an_elementwise_function_meets_edges_and_random_elements_in_one_tensor(catalog: Catalog) -> None:
    (truth,) = truths(catalog, shape="32x32")
    assert edges_in(truth) >= 10
    assert truth.inputs[0].shape == (32, 32)


def test_where_an_edges_nan_would_spread_random_elements_have_a_tensor_of_their_own(catalog: Catalog) -> None:
    found = truths(catalog, function="multiply", shape="64x64,64")
    assert len(found) > 1
    assert edges_in(found[0]) == 0
    assert found[0].gradients[1].isfinite().all()
    assert all(edges_in(truth) > 0 for truth in found[1:])
    assert any(truth.inputs[0].isnan().any() for truth in found[1:])


def test_an_empty_tensor_is_judged_once_on_its_shape_and_dtype(catalog: Catalog) -> None:
    (truth,) = truths(catalog, shape="0x3")
    assert truth.values[0].shape == (0, 3)


KEPT: dict[tuple[str, str], Budgets] = {}


def main_agreement(case: Case, entry: FunctionEntry, call: Callable[..., Any]) -> Agreement:
    key = (entry.name, case.dtype)
    if key not in KEPT:
        KEPT[key] = derive_budgets(entry, sample_truth(case, entry))
    return judge(case, entry, call, main_situation(case, entry, 0), KEPT[key])


def test_all_edges_of_a_small_tensor_are_judged_in_several(catalog: Catalog) -> None:
    found = truths(catalog, shape="scalar")
    assert len(found) > 10
    agreement = main_agreement(a_case(shape="scalar"), catalog.functions["relu"], torch.relu)
    assert sum(part.elements for part in agreement.values[0].values()) == len(found)
    assert set(agreement.values[0]) == set(KINDS)
    assert agreement.kink_slopes == {"x = 0": 0.0}


# --- zeros, constants, identities and wrong signs have no chance ----------------------------------------------------

NAMES = ("multiply", "relu", "ternary_activation")


def zeros(reference: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *inputs: 0 * reference(*(x.nan_to_num(0, 1, -1) for x in inputs))


def constant(reference: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *inputs: zeros(reference)(*inputs) + 1


def identity(reference: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *inputs: inputs[0] + zeros(reference)(*inputs)


def flipped(reference: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *inputs: -reference(*inputs)


def gradient_flipped(reference: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(*inputs: Tensor) -> Tensor:
        y = reference(*inputs)
        return torch.where(y.isfinite(), 2 * y.detach() - y, y)

    return call


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("candidate", [zeros, constant, identity, flipped, gradient_flipped])
def test_a_candidate_that_computes_something_else_is_far_out_of_budget(
    catalog: Catalog, name: str, dtype: str, candidate: Callable[..., Any]
) -> None:
    entry = catalog.functions[name]
    shape = "64x64,64x64" if name == "multiply" else "64x64"
    case = a_case(function=name, shape=shape, dtype=dtype)
    agreement = main_agreement(case, entry, candidate(entry.reference.implementation.call))
    assert any(parts["random"].times_budget > 2 for parts in agreement.gradients)
    if candidate is not gradient_flipped:
        assert agreement.values[0]["random"].times_budget > 2


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["contiguous", "transposed", "strided", "expanded"])
@pytest.mark.parametrize("name", NAMES)
def test_every_right_built_in_is_within_budget(catalog: Catalog, name: str, dtype: str, layout: str) -> None:
    entry = catalog.functions[name]
    shape = "64x64,64x64" if name == "multiply" else "64x64"
    case = a_case(function=name, shape=shape, dtype=dtype, layout=layout)
    for technique, candidate in entry.implementations.items():
        agreement = main_agreement(case, entry, candidate.implementation.call)
        for parts in [*agreement.values, *(agreement.gradients if technique != "published" else [])]:
            for kind, part in parts.items():
                assert part.is_within_budget, (technique, kind)
                assert part.nonfinite == 0, (technique, kind)


# --- what the dtype does to the reference itself ---------------------------------------------------------------------


def test_where_the_references_own_steps_overflow_the_same_overflow_is_right() -> None:
    entry = an_entry(reference=lambda x: (x * x) / x)
    x = torch.tensor([1e30, 2.0])
    agreement = judged(entry, lambda x: (x * x) / x, x)
    assert (agreement.values[0].nonfinite, agreement.values[0].forgiven) == (0, 1)
    assert judged(entry, custom(lambda x: torch.where(x > 1e20, NAN, x), lambda x, g: g), x).values[0].nonfinite == 1


def test_what_the_reference_does_not_come_to_is_not_forgiven() -> None:
    agreement = judged(TWICE, custom(lambda x: torch.where(x == 3, INF, 2 * x), lambda x, g: 2 * g), X)
    assert (agreement.values[0].nonfinite, agreement.values[0].forgiven) == (1, 0)


def test_an_infinite_error_stays_infinite() -> None:
    truth = truth_of(TWICE, X)
    ulps = torch.tensor([0.0, INF, 1.0, 0.0, 0.0])
    comparison = replace(compare_values(2 * X, truth, 0), ulps=ulps).by_kind("all", TWICE, HALF)["all"]
    assert comparison.max_ulp == comparison.times_budget == INF
