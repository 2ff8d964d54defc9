from __future__ import annotations

import math

import pytest
import torch

from gradgauge.atlas import Place, joints, places
from gradgauge.inputs import place_values
from gradgauge.model import Function, Kink, kink_at
from tests.fakes import a_function

PLAIN = a_function()
KINK_AT_0 = a_function(kinks=(kink_at(0.0, left=0.0, right=1.0),))
STAIRCASE = a_function(
    breakpoints=(-5.0, 5.0), kinks=(kink_at(-5.0, 0.25, 0.1), kink_at(5.0, 0.1, 0.25)), edges=(30.0, 5.0)
)


def named(function: Function) -> dict[str, Place]:
    found = places(function)
    assert len({place.name for place in found}) == len(found)
    return {place.name: place for place in found}


def test_joints_are_breakpoints_and_kinks_in_ascending_order_each_once() -> None:
    function = a_function(breakpoints=(-1.0, 2.0), kinks=(kink_at(2.0, 0.0, 1.0), kink_at(-3.0, 0.0, 1.0)))
    assert joints(function) == (-3.0, -1.0, 2.0)
    assert joints(PLAIN) == ()


def test_a_kink_where_two_inputs_meet_is_no_joint() -> None:
    meeting = Kink("a = b", lambda a, b: a == b, lambda a, b, grad: ((grad, grad), (grad, grad)))
    assert joints(a_function(inputs=("a", "b"), kinks=(meeting,))) == ()


@pytest.mark.parametrize("function", [PLAIN, KINK_AT_0, STAIRCASE, a_function(edges=(0.0, 2.5))])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_places_go_from_minus_infinity_to_infinity_and_end_with_nan(function: Function, dtype: torch.dtype) -> None:
    values = place_values(places(function), dtype).double().tolist()
    assert (values[0], values[-2]) == (-math.inf, math.inf)
    assert math.isnan(values[-1])
    assert values[:-1] == sorted(values[:-1])


def test_minus_zero_comes_before_plus_zero() -> None:
    names = list(named(PLAIN))
    assert names.index("−0") + 1 == names.index("+0")


def test_a_joint_has_neighbours_1_2_and_8_ulp_off_on_both_sides() -> None:
    found = [place for place in places(STAIRCASE) if place.value == 5.0]
    assert [place.steps for place in found] == [-8, -2, -1, 0, 1, 2, 8]
    assert [place.name for place in found][2:5] == ["5 − 1 ulp", "5", "5 + 1 ulp"]
    assert {place.kind for place in found} == {"kinks"}


def test_an_edge_has_the_same_neighbours_and_its_own_kind() -> None:
    found = [place for place in places(STAIRCASE) if place.value == 30.0]
    assert [place.steps for place in found] == [-8, -2, -1, 0, 1, 2, 8]
    assert {place.kind for place in found} == {"edges"}


def test_always_tried_are_zeros_ones_ten_thousands_extremes_infinities_and_nan() -> None:
    kinds = {name: place.kind for name, place in named(PLAIN).items()}
    assert kinds == {
        **dict.fromkeys(("−inf", "+inf", "NaN"), "nonfinite"),
        **dict.fromkeys(("−largest", "−10000", "−1", "−smallest", "−0", "+0", "smallest", "1", "10000"), "edges"),
        "largest": "edges",
    }


def test_a_kink_at_zero_takes_both_zeros() -> None:
    kinked = named(KINK_AT_0)
    assert (kinked["−0"].kind, kinked["+0"].kind) == ("kinks", "kinks")
    assert math.copysign(1.0, kinked["−0"].value) == -1.0


def test_what_is_always_tried_is_not_tried_twice_where_it_is_an_edge_or_a_joint() -> None:
    assert named(a_function(edges=(1.0,)))["1"].kind == "edges"
    assert named(a_function(breakpoints=(1.0,)))["1"].kind == "kinks"
    assert named(a_function(edges=(2.0,), breakpoints=(2.0,)))["2"].kind == "kinks"


def test_the_atlas_shows_all_about_a_joint_and_of_an_edge_the_point_itself() -> None:
    found = named(STAIRCASE)
    shown = {name for name in ("5", "5 + 8 ulp", "30", "30 + 1 ulp", "NaN", "smallest") if found[name].is_landmark}
    assert shown == {"5", "5 + 8 ulp", "30", "NaN", "smallest"}
