from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from gradgauge.cases import DTYPES
from gradgauge.catalog import Catalog
from gradgauge.error_budgets import Budgets, derive_budgets, sample_truth
from gradgauge.model import Function
from gradgauge.power import Power, power_of_gradient, power_of_value
from tests.fakes import a_case, a_function, an_entry

BUILTIN = ("multiply", "relu", "ternary_activation")


def powers(
    call: Callable[..., Any], budget: float, function: Function | None = None, dtype: str = "float32"
) -> tuple[Power, Power]:
    """Return the power of a budget of so many ulps, of the value and of the gradient of a function of one input."""
    entry = an_entry(function, reference=call)
    truth = sample_truth(a_case(dtype=dtype), entry)
    budgets = Budgets(entry, (budget,), (budget,))
    return power_of_value(truth, 0, budgets), power_of_gradient(truth, 0, budgets)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BUILTIN)
def test_the_budgets_of_the_built_in_functions_reject_every_fault(catalog: Catalog, name: str, dtype: str) -> None:
    entry = catalog.functions[name]
    truth = sample_truth(a_case(function=name, dtype=dtype), entry)
    budgets = derive_budgets(entry, truth)
    found = [power_of_value(truth, index, budgets) for index in range(len(truth.values))]
    found += [power_of_gradient(truth, index, budgets) for index in range(len(truth.inputs))]
    assert all(1 < power.times < math.inf for power in found), found


@pytest.mark.parametrize(("dtype", "share"), [("float32", "0.1 %"), ("float16", "1.6 %"), ("bfloat16", "12 %")])
def test_the_fault_that_comes_nearest_is_the_slightest_one_that_the_dtype_can_show(dtype: str, share: str) -> None:
    for power in powers(lambda x: 1.5 * x, 0.5, a_function(gradient_scale=1.5), dtype):
        assert power.fault == f"{share} too much"


def test_a_fault_is_measured_in_budgets() -> None:
    _, power = powers(lambda x: 2 * x, 0.5, a_function(gradient_scale=2.0))
    # An ulp is between eps / 2 and eps of the number, and half of one is excused.
    assert 1.9 < power.times * 0.5 * 2**-23 / 1e-3 <= 2.1
    _, wider = powers(lambda x: 2 * x, 5.0, a_function(gradient_scale=2.0))
    assert wider.times == pytest.approx(power.times / 10)


def test_a_budget_that_is_too_wide_is_reported() -> None:
    value, gradient = powers(lambda x: 2 * x, 1e6, a_function(gradient_scale=2.0))
    assert value.times < 1
    assert gradient.times < 1


def test_a_scale_that_is_far_too_wide_takes_the_power_away() -> None:
    # Errors are counted at the scale: at 1e9 times the gradient even a zero is less than an ulp.
    _, gradient = powers(lambda x: 2 * x, 0.5, a_function(gradient_scale=1e9))
    assert gradient.times < 1


def test_a_gradient_that_is_the_cotangent_itself_is_no_fault() -> None:
    _, gradient = powers(lambda x: 1 * x, 0.5)
    assert gradient.fault == "0.1 % too much"


def test_where_nothing_tried_differs_there_is_nothing_to_reject() -> None:
    entry = an_entry(a_function(gradient_scale=0.0), reference=lambda x: 0 * x)
    truth = sample_truth(a_case(), entry)
    power = power_of_gradient(truth, 0, Budgets(entry, (0.5,), (0.5,)))
    assert power == Power("nothing tried differs", math.inf)


@pytest.mark.parametrize(
    ("times_too_large", "fault"),
    # 0.3 % is far from the identity, and the other faults are farther.
    [(1.003, "0.1 % too much"), (1.0003, "the identity")],
)
def test_whichever_fault_is_nearest_is_named(times_too_large: float, fault: str) -> None:
    value, gradient = powers(lambda x: times_too_large * x, 0.5, a_function(gradient_scale=1.0))
    assert (value.fault, gradient.fault) == (fault, fault)


def test_overflow_does_not_pass_for_power() -> None:
    # At the largest float 0.1 % more is infinite; whether that is seen says nothing of the budget.
    value, _ = powers(lambda x: 1 * x, 1e9)
    assert value.times < 1


def test_every_element_is_measured_by_what_is_excused_there() -> None:
    entry = an_entry(reference=lambda x: (x + 3) - 3)
    truth = sample_truth(a_case(), entry)
    budgets = derive_budgets(entry, truth)
    assert not isinstance(budgets.values[0], float)
    # Near 0 thousands of ulps are excused, and elsewhere few: there 0.1 % is seen.
    power = power_of_value(truth, 0, budgets)
    assert 1 < power.times < 1e5
