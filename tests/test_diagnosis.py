from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gradgauge.diagnosis import diagnose, ranges

NAN, INF = math.nan, math.inf
JOINTS = (-5.0, 5.0)
X = torch.tensor([-9.0, -8.0, -7.0, -5.0, -4.0, 0.0, 4.0, 5.0, 7.0, 8.0, 9.0], dtype=torch.float64)
RIGHT = torch.full_like(X, 2.0)


def told(got: Tensor, right: Tensor = RIGHT, x: Tensor = X, joints: tuple[float, ...] = JOINTS) -> str:
    bad = ~((got == right) | (got.isnan() & right.isnan()))
    return diagnose(x, got, right, bad, joints)


def spoilt(where: Tensor, value: float) -> Tensor:
    return torch.where(where, value, RIGHT)


def test_a_wrong_sign_is_told_with_the_joint_that_ends_it() -> None:
    assert told(spoilt(X < -5, -2.0)) == "the sign is wrong for x < −5"
    assert told(spoilt(X > 5, -2.0)) == "the sign is wrong for x > 5"


def test_a_range_that_holds_its_joint_says_so() -> None:
    assert told(spoilt(X <= -5, -2.0)) == "the sign is wrong for x ≤ −5"
    assert told(spoilt(X >= 5, -2.0)) == "the sign is wrong for x ≥ 5"
    assert told(spoilt((X > -5) & (X < 5), -2.0)) == "the sign is wrong for −5 < x < 5"
    assert told(spoilt((X >= -5) & (X < 5), -2.0)) == "the sign is wrong for −5 ≤ x < 5"


def test_a_range_that_ends_away_from_every_joint_is_told_by_its_last_elements() -> None:
    assert told(spoilt(X.abs() >= 7, NAN)) == "NaN for x < −5 and x > 5"
    assert told(spoilt(X.abs() >= 7, NAN), joints=()) == "NaN for x ≤ −7 and x ≥ 7"
    assert told(spoilt((X > -5) & (X < 5), NAN), joints=()) == "NaN for −4 ≤ x ≤ 4"


@pytest.mark.parametrize(
    ("value", "right", "nature"),
    [
        (NAN, 2.0, "NaN"),
        (INF, 2.0, "infinite"),
        (-INF, 2.0, "infinite"),
        (0.0, 2.0, "zero"),
        (-2.0, 2.0, "the sign is wrong"),
        (-0.01, 2.0, "the sign is wrong"),
        (7.0, INF, "finite where it should not be"),
        (7.0, NAN, "finite where it should not be"),
        (2.02, 2.0, "1.01 times what is right"),
        (1.0, 2.0, "0.5 times what is right"),
        (INF, -INF, "the sign is wrong"),
    ],
)
def test_every_nature_has_a_name(value: float, right: float, nature: str) -> None:
    assert told(torch.full_like(X, value), torch.full_like(X, right)) == f"{nature} for every x"


def test_a_factor_is_told_where_nearly_all_share_it() -> None:
    right = X.abs() + 1
    assert told(1.01 * right, right) == "1.01 times what is right for every x"
    roughly = right * torch.linspace(1.0098, 1.0102, len(X), dtype=torch.float64)
    assert told(roughly, right) == "1.01 times what is right for every x"


def test_factors_that_differ_are_just_off() -> None:
    assert told(RIGHT + X.abs() + 1) == "off for every x"


def test_each_nature_has_its_own_range_and_the_commonest_comes_first() -> None:
    got = torch.where(X < -5, -2.0, torch.where(X > 8, NAN, 2.0))
    assert told(got) == "the sign is wrong for x < −5, NaN for x = 9"
    got = torch.where(X < -8, NAN, torch.where(X > 5, -2.0, 2.0))
    assert told(got) == "the sign is wrong for x > 5, NaN for x = −9"


def test_an_element_that_is_wrong_in_another_way_interrupts_no_range() -> None:
    got = torch.where(X == -8, NAN, torch.where(X <= -4, -2.0, 2.0))
    assert told(got, joints=()) == "the sign is wrong for x ≤ −4, NaN for x = −8"


def test_an_element_that_is_right_interrupts_a_range() -> None:
    wrong = (X <= -5) & (X != -8) | (X == 4)
    assert told(spoilt(wrong, -2.0), joints=()) == "the sign is wrong for x ≤ −9 and −7 ≤ x ≤ −5 and 4 ≤ x ≤ 4"


def test_one_or_two_points_are_told_one_by_one() -> None:
    assert told(spoilt(X == 4, 3.0)) == "1.5 times what is right for x = 4"
    assert told(spoilt(X.abs() == 9, 3.0)) == "1.5 times what is right for x = −9 and x = 9"


def test_one_point_met_often_is_one_point() -> None:
    x = torch.tensor([1.0, 3.0, 3.0, 3.0, 5.0])
    assert ranges(x, x == 3, x == 3, ()) == "x = 3"


def test_many_ranges_are_told_by_number_and_extent() -> None:
    x = torch.arange(10.0)
    wrong = x % 2 == 1
    assert ranges(x, wrong, wrong, ()) == "5 of 10 elements, x from 1 to 9"


def test_a_fault_at_nan_is_told_beside_the_ranges() -> None:
    x = torch.tensor([NAN, 1.0, 2.0, 3.0, 4.0])
    wrong = torch.tensor([True, True, True, True, False])
    assert ranges(x, wrong, wrong, ()) == "x ≤ 3 and x = NaN"


def test_a_fault_at_nan_alone_is_told() -> None:
    x = torch.tensor([1.0, NAN, 2.0])
    assert ranges(x, x.isnan(), x.isnan(), ()) == "x = NaN"


def test_infinite_inputs_end_a_range_like_others() -> None:
    x = torch.tensor([-INF, -3.0, -2.0, -1.0, 1.0, INF])
    assert ranges(x, x <= -1, x <= -1, ()) == "x ≤ −1"
    assert ranges(x, x.isinf(), x.isinf(), ()) == "x = −inf and x = inf"


def test_elements_need_no_order() -> None:
    x = torch.tensor([3.0, -1.0, 2.0, -4.0, -2.0, 1.0])
    assert ranges(x, x < 0, x < 0, (0.0,)) == "x < 0"
