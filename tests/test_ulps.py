from __future__ import annotations

import math

import pytest
import torch

from gradgauge.ulps import count_ulps, ulp

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


def at(value: float, dtype: torch.dtype) -> float:
    return float(ulp(torch.tensor([value], dtype=torch.float64), dtype)[0])


def spacing_above(value: float, dtype: torch.dtype) -> float:
    here = torch.tensor(value, dtype=dtype)
    return float(torch.nextafter(here, torch.tensor(math.inf, dtype=dtype)).double() - here.double())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("value", [1.0, 1.5, 2.0, 3.0, 0.75, 1000.0, 2.0**-10])
def test_an_ulp_is_the_distance_to_the_next_number(value: float, dtype: torch.dtype) -> None:
    assert at(value, dtype) == spacing_above(value, dtype)
    assert at(-value, dtype) == at(value, dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_at_powers_of_two_the_larger_spacing_counts(dtype: torch.dtype) -> None:
    eps = torch.finfo(dtype).eps
    assert at(1.0, dtype) == eps
    assert at(1.0 - eps, dtype) == eps / 2


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sign", [0.0, -0.0])
def test_at_zero_an_ulp_is_the_smallest_subnormal(sign: float, dtype: torch.dtype) -> None:
    info = torch.finfo(dtype)
    assert at(sign, dtype) == info.smallest_normal * info.eps


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_among_subnormals_the_spacing_stays(dtype: torch.dtype) -> None:
    info = torch.finfo(dtype)
    for value in (info.smallest_normal, info.smallest_normal / 4, info.smallest_normal * info.eps):
        assert at(value, dtype) == info.smallest_normal * info.eps


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_beyond_the_largest_number_its_spacing_counts(dtype: torch.dtype) -> None:
    info = torch.finfo(dtype)
    assert at(math.inf, dtype) == at(info.max, dtype) == info.max - at_below(info.max, dtype)


def at_below(value: float, dtype: torch.dtype) -> float:
    here = torch.tensor(value, dtype=dtype)
    return float(torch.nextafter(here, torch.tensor(0.0, dtype=dtype)).double())


def test_nan_has_no_ulp() -> None:
    assert math.isnan(at(math.nan, torch.float32))


def test_float64_keeps_its_range() -> None:
    assert at(1e300, torch.float64) == math.ulp(1e300)
    assert at(1e-300, torch.float64) == math.ulp(1e-300)


def test_errors_are_counted_without_their_sign() -> None:
    error = torch.tensor([3 * 2.0**-23, -(2.0**-24), 0.0], dtype=torch.float64)
    assert count_ulps(error, torch.ones(3), torch.float32).tolist() == [3.0, 0.5, 0.0]


def test_a_nan_error_counts_as_nan_and_not_as_none() -> None:
    counted = count_ulps(torch.tensor([math.nan]), torch.ones(1), torch.float32)
    assert counted.isnan().all()
