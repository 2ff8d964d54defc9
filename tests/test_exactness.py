from __future__ import annotations

import math
import re
from typing import Any

import mpmath  # type: ignore[import-untyped]  # it ships no types
import pytest
import torch
from torch import Tensor

from gradgauge.catalog import Catalog, FunctionEntry
from gradgauge.exactness import MOST_ULP, POINTS, Exactness, compare_with_exact
from gradgauge.inputs import edges_of
from gradgauge.model import Function, kink_at
from gradgauge.ulps import ulp
from tests.fakes import a_case, a_function, an_entry

TWICE = a_function(gradient_scale=2.0)


def exactly_twice(x: Any) -> tuple[Any, tuple[Any]]:
    return 2 * x, (mpmath.mpf(2),)


def compared(entry: FunctionEntry, exact: Any, seed: int = 0) -> tuple[Exactness, ...]:
    return compare_with_exact(a_case(dtype="float32", shape="8x8", layout="strided"), entry, exact, seed)


def count_of_edges(function: Function) -> int:
    return len(edges_of(function, torch.float64).values)


def off_by(ulps: float, y: Tensor) -> Tensor:
    """Return y moved away from 0 by so many of its own ulps, where it is of a size that has room for them."""
    has_room = (y.abs() > 1e-3) & (y.abs() < 1e5)
    return y + torch.where(has_room, ulps * y.sign() * ulp(y, torch.float64), 0.0)


class TenUlpOff(torch.autograd.Function):
    """Twice the input, value and slope 10 ulp too large."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return off_by(10, 2 * x)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        return off_by(10, 2 * grad_output)


def test_a_reference_without_error_has_none_at_any_point() -> None:
    value, gradient = compared(an_entry(TWICE, reference=lambda x: 2 * x), exactly_twice)
    points = POINTS + count_of_edges(TWICE)
    assert (value.points, value.max_ulp, value.worst, value.beyond) == (points, 0.0, "", "")
    # At the largest float 2x overflows, which 50 digits do not.
    assert (gradient.points, gradient.max_ulp, gradient.nonfinite) == (points - 1, 0.0, 0)


def test_a_reference_that_is_wrong_by_10_ulp_is_found_in_value_and_gradient() -> None:
    value, gradient = compared(an_entry(TWICE, reference=TenUlpOff.apply), exactly_twice)
    assert value.max_ulp == gradient.max_ulp == 10.0
    assert value.max_ulp > MOST_ULP
    assert value.worst.startswith("at (")
    assert gradient.worst.endswith("2.0000000000000044 where 2.0 is right")


def test_the_working_dtype_the_shape_and_the_layout_of_the_case_do_not_matter() -> None:
    seen: list[Tensor] = []

    def reference(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return 2 * x

    entry = an_entry(TWICE, reference=reference)
    for case in (a_case(dtype="bfloat16", shape="8x8", layout="strided"), a_case(dtype="float64")):
        compare_with_exact(case, entry, exactly_twice, 0)
    assert (seen[0].dtype, tuple(seen[0].shape)) == (torch.float64, (POINTS + count_of_edges(TWICE),))
    assert seen[0].shape == seen[1].shape
    digits = seen[0][-POINTS:]
    assert not torch.equal(digits, digits.bfloat16().double())


def test_every_seed_has_points_of_its_own_and_the_same_each_time() -> None:
    met: list[list[float]] = []

    def reference(x: Tensor) -> Tensor:
        met.append(x.detach()[-POINTS:].tolist())
        return 2 * x

    for seed in (0, 0, 1):
        compared(an_entry(TWICE, reference=reference), exactly_twice, seed)
    assert met[0] == met[1] != met[2]


class LosingItsTail(torch.autograd.Function):
    """exp(x) / (1 + exp(x))² for a slope, 1e-9 too large where x < −20."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        slope = torch.sigmoid(x) * torch.sigmoid(-x)
        return grad_output * torch.where(x < -20, slope * (1 + 1e-9), slope)


def exact_sigmoid(x: Any) -> tuple[Any, tuple[Any]]:
    return 1 / (1 + mpmath.exp(-x)), (1 / (2 + mpmath.exp(x) + mpmath.exp(-x)),)


def test_a_tail_that_is_off_only_at_its_own_size_is_told_and_does_not_count() -> None:
    function = a_function(gradient_scale=0.25, edges=(-30.0, -40.0))
    _, gradient = compared(an_entry(function, reference=LosingItsTail.apply), exact_sigmoid)
    assert gradient.max_ulp <= MOST_ULP
    # Each edge with three neighbours on either side, and what lies far out.
    assert re.match(r"in the tail, on \d+ points with \|input\| from .*, it is off by more than 4 ulp", gradient.beyond)
    assert int(gradient.beyond.split()[4]) >= 14
    # An ulp is between eps / 2 and eps of the number.
    most = float(gradient.beyond.split()[-1])
    assert 1e-9 < most * 2**-52 < 2e-9


def test_a_tail_that_is_right_is_not_mentioned() -> None:
    function = a_function(gradient_scale=0.25, edges=(-30.0, -40.0))
    entry = an_entry(function, reference=lambda x: torch.exp(torch.minimum(x, -x)) + 0 * x)
    _, gradient = compared(
        entry, lambda x: (mpmath.exp(-abs(x)), (-mpmath.sign(x) * mpmath.exp(-abs(x)) if x else mpmath.mpf(0),))
    )
    assert gradient.beyond == ""


def test_at_a_kink_the_slope_is_not_compared() -> None:
    function = a_function(kinks=(kink_at(1.0, left=0.0, right=1.0),))
    entry = an_entry(function, reference=lambda x: x.clamp(min=1))
    odd = mpmath.mpf(7)
    _, gradient = compared(
        entry, lambda x: (max(x, mpmath.mpf(1)), (odd if x == 1 else mpmath.mpf(1 if x > 1 else 0),))
    )
    value, _ = compared(entry, lambda x: (max(x, mpmath.mpf(1)), (mpmath.mpf(0),)))
    # The kink and NaN are left out, and are among the values.
    assert gradient.points == value.points - 2
    assert gradient.max_ulp == 0.0


def test_what_differs_in_finiteness_is_counted_and_the_first_is_told() -> None:
    entry = an_entry(TWICE, reference=lambda x: torch.where(x == 1, math.inf, 2 * x))
    value, _ = compared(entry, exactly_twice)
    sound, _ = compared(an_entry(TWICE, reference=lambda x: 2 * x), exactly_twice)
    assert value.nonfinite == sound.nonfinite + 1


def test_nan_agrees_with_nan_alone() -> None:
    def nan_is_zero(x: Any) -> tuple[Any, tuple[Any]]:
        return (mpmath.mpf(0) if mpmath.isnan(x) else x), (mpmath.mpf(1),)

    entry = an_entry(a_function(), reference=lambda x: 1 * x)
    value, _ = compared(entry, nan_is_zero)
    assert (value.nonfinite, value.worst) == (1, "at (nan): nan where 0.0 is right")
    agreeing, _ = compared(entry, lambda x: (x, (mpmath.mpf(1),)))
    assert agreeing.nonfinite == 0


def test_two_inputs_meet_in_every_combination_of_edges_and_each_has_its_gradient() -> None:
    function = a_function(inputs=("a", "b"), gradient_scale=0.0)
    entry = an_entry(function, name="difference", reference=lambda a, b: a - b)
    value, first, second = compared(entry, lambda a, b: (a - b, (mpmath.mpf(1), mpmath.mpf(-1))))
    assert value.points == POINTS + count_of_edges(function) ** 2
    assert value.max_ulp <= 0.5
    assert (first.max_ulp, second.max_ulp) == (0.0, 0.0)
    _, _, flipped = compared(entry, lambda a, b: (a - b, (mpmath.mpf(1), mpmath.mpf(1))))
    assert flipped.max_ulp > 1e15


@pytest.mark.parametrize("name", ["multiply", "relu", "ternary_activation"])
def test_the_references_of_the_built_in_functions_are_right_to_four_ulp(catalog: Catalog, name: str) -> None:
    entry = catalog.functions[name]
    assert entry.function.exact is not None
    for found in compare_with_exact(a_case(function=name), entry, entry.function.exact, 0):
        assert found.max_ulp <= MOST_ULP
        assert found.nonfinite == 0
