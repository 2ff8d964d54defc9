from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge.cases import DTYPES
from gradgauge.rounding import CORRECTLY_ROUNDED_ULP, LIBRARY_ULP, RoundedSteps, StoredSteps
from gradgauge.ulps import count_ulps

# As float32 numbers these have 24 digits, of which float16 and bfloat16 hold few; divided by 3 they have 53.
X = torch.rand(4000, generator=torch.Generator().manual_seed(0)).double() * 4 / 3 + 0.1


def moved(call: Callable[..., Any], dtype: torch.dtype = torch.float32, x: Tensor = X, seed: int = 0) -> Tensor:
    """Return what the call comes to where every step may be off by a rounding to the dtype."""
    with RoundedSteps(dtype, torch.Generator().manual_seed(seed)):
        result: Tensor = call(x.clone())
    return result


def off_ulps(call: Callable[..., Any], dtype: torch.dtype = torch.float32, x: Tensor = X) -> Tensor:
    right = call(x.clone())
    return count_ulps(moved(call, dtype, x) - right, right, dtype)


@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_a_product_is_off_by_half_an_ulp_up_as_often_as_down(dtype: str) -> None:
    product = moved(lambda x: 3 * x, getattr(torch, dtype))
    off = count_ulps(product - 3 * X, 3 * X, getattr(torch, dtype))
    assert torch.allclose(off, torch.full_like(off, CORRECTLY_ROUNDED_ULP))
    assert 1800 < int((product > 3 * X).sum()) < 2200


def test_in_float64_a_product_is_off_by_a_whole_ulp_since_the_oracle_is_rounded_too() -> None:
    product = moved(lambda x: 3 * x, torch.float64)
    off = count_ulps(product - 3 * X, 3 * X, torch.float64)
    assert float(off.max()) == 1.0
    assert float((off == 1).double().mean()) > 0.99
    assert 1800 < int((product > 3 * X).sum()) < 2200


def test_a_function_of_pytorchs_own_is_off_by_what_its_library_promises() -> None:
    assert torch.allclose(off_ulps(torch.exp), torch.full_like(X, LIBRARY_ULP))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.clamp(min=1),
        torch.relu,
        lambda x: torch.where(x < 1, 0.0, x),
        torch.neg,
        lambda x: x.clone().reshape(2, -1).t()[1:],
        lambda x: x.masked_fill(x < 1, 0.0),
        lambda x: x[x < 1],
        lambda x: torch.cat([x, x]).max(),
        lambda x: x.sort().values,
    ],
)
def test_steps_that_only_choose_or_move_numbers_round_nothing(call: Callable[..., Any]) -> None:
    assert torch.equal(moved(call), call(X.clone()))


def test_two_steps_are_off_by_up_to_the_sum_of_both() -> None:
    off = off_ulps(lambda x: 3 * (3 * x))
    # The first may be worth 0.75 of the result's ulps: 3 · (1 + …) lies a binade and a half higher.
    assert 1.2 < float(off.max()) <= 1.25
    assert float(off.min()) < 0.3


def test_what_the_dtype_holds_needs_no_rounding() -> None:
    whole = torch.arange(1.0, 100.0, dtype=torch.float64)
    assert torch.equal(moved(lambda x: 3 * x, torch.float16, whole), 3 * whole)
    assert torch.equal(moved(lambda x: x * 0, torch.float16), torch.zeros_like(X))
    assert torch.equal(moved(lambda x: 3 * x, torch.float64, whole), 3 * whole)


def test_what_is_infinite_nan_or_no_float64_stays_as_it_is() -> None:
    special = moved(lambda x: 3 * x, x=torch.tensor([math.inf, -math.inf, math.nan], dtype=torch.float64))
    assert special[:2].tolist() == [math.inf, -math.inf]
    assert special[2].isnan()
    assert moved(lambda x: 3 * x, x=torch.arange(3)).tolist() == [0, 3, 6]
    third = torch.full((3,), 1 / 3)
    assert torch.equal(moved(lambda x: 3 * x, torch.float16, third), 3 * third)


def test_a_step_in_place_moves_the_tensor_that_it_writes_into() -> None:
    def in_place(x: Tensor) -> Tensor:
        x *= 3
        return x

    off = count_ulps(moved(in_place) - 3 * X, 3 * X, torch.float32)
    assert torch.allclose(off, torch.full_like(off, 0.5))


def test_a_step_through_a_mask_moves_what_it_computes_alone() -> None:
    def masked(x: Tensor) -> Tensor:
        y = x.clone()
        y[x < 1] = 3 * x[x < 1]
        return y

    got = moved(masked)
    assert torch.equal(got[X >= 1], X[X >= 1])
    assert (got[X < 1] != 3 * X[X < 1]).all()


def test_a_sigmoid_is_taken_apart_into_its_steps() -> None:
    assert torch.equal(moved(torch.sigmoid), moved(lambda x: 1 / (1 + torch.exp(-x))))
    assert float(off_ulps(torch.sigmoid).max()) > 1.0


def test_the_steps_of_a_backward_are_moved_one_by_one() -> None:
    def slope(x: Tensor) -> Tensor:
        leaf = x.requires_grad_()
        (gradient,) = torch.autograd.grad(torch.sigmoid(leaf).sum(), leaf)
        return gradient

    far = torch.linspace(8.0, 9.0, 500, dtype=torch.float64)
    # (1 − y) · y with y within 4e-4 of 1: half an ulp of y is thousands of the slope's.
    assert float(off_ulps(slope, x=far).max()) > 500
    assert float(off_ulps(slope, x=-far).max()) < 20


def test_the_generator_alone_decides() -> None:
    one = moved(torch.exp, seed=1)
    torch.manual_seed(5)
    assert torch.equal(one, moved(torch.exp, seed=1))
    assert not torch.equal(one, moved(torch.exp, seed=2))


# --- sums, and what a dtype holds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [torch.sum, lambda x: x @ torch.ones(4000, dtype=torch.float64)])
def test_a_sum_that_cancels_is_off_at_the_size_of_its_terms(call: Callable[[Tensor], Tensor]) -> None:
    terms = torch.cat([X[:2000], -X[:2000]]) * 1e6
    off = max(abs(float(moved(call, x=terms, seed=seed)) - float(call(terms))) for seed in range(4))
    spacing = 2.0**-24 * float(terms.abs().sum())
    assert 0.1 * math.sqrt(4000) * spacing < off < 2 * math.sqrt(4000) * spacing


def test_a_sum_of_one_term_adds_nothing_to_its_rounding() -> None:
    x = torch.tensor([1 / 3], dtype=torch.float64)
    assert float(off_ulps(torch.sum, x=x)) == pytest.approx(CORRECTLY_ROUNDED_ULP)


def stored(call: Callable[[Tensor], Tensor], x: float, dtype: torch.dtype) -> float:
    with StoredSteps(dtype):
        return float(call(torch.tensor([x], dtype=torch.float64)))


def test_a_stored_step_overflows_and_underflows_where_the_dtype_does() -> None:
    assert stored(lambda x: x * x / x, 1e30, torch.float32) == math.inf
    assert stored(lambda x: x * x / x, 1e30, torch.float64) == pytest.approx(1e30)
    assert stored(lambda x: (x * 1e-30) * 1e30, 1e-30, torch.float32) == 0.0
    assert stored(lambda x: x + 1e-3, 1.0, torch.bfloat16) == 1.0
    assert stored(lambda x: x.clone().mul_(300).mul_(300), 1.0, torch.float16) == math.inf
