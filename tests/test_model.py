from __future__ import annotations

import pytest
import torch

from gradgauge.model import Function, Implementation, kink_at
from tests.fakes import a_function


def test_a_kink_is_where_the_input_equals_the_point_and_takes_both_slopes() -> None:
    kink = kink_at(2.0, left=-1.0, right=3.0)
    assert (kink.name, kink.point, kink.slopes) == ("x = 2", 2.0, (-1.0, 3.0))
    x = torch.tensor([1.0, 2.0, float("nan")])
    assert kink.mask(x).tolist() == [False, True, False]
    ((left, right),) = kink.one_sided(x, torch.tensor([1.0, 2.0, 4.0]))
    assert left.tolist() == [-1.0, -2.0, -4.0]
    assert right.tolist() == [3.0, 6.0, 12.0]


def test_a_function_broadcasts_when_a_shape_of_its_own_does() -> None:
    def broadcasts(*shapes: str) -> bool:
        return bool(a_function(inputs=("a", "b"), shapes={"quick": shapes}).broadcasts)

    assert broadcasts("3x4", "3x4,4")
    assert not broadcasts("3x4", "5,5")
    assert not a_function(inputs=("a", "b")).broadcasts


@pytest.mark.parametrize("sign", [0.0, -0.0])
def test_both_zeros_are_the_kink_at_zero(sign: float) -> None:
    assert kink_at(0.0, left=0.0, right=1.0).mask(torch.tensor([sign])).item() is True


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"inputs": ()}, "at least one input"),
        ({"breakpoints": (1.0, 0.0)}, r"breakpoints \(1.0, 0.0\) must ascend"),
        ({"breakpoints": (1.0, 1.0)}, "must ascend"),
        ({"breakpoints": (1.0,), "inputs": ("a", "b")}, "one input only"),
        ({"curve": (3.0, 3.0)}, r"curve \(3.0, 3.0\) is an empty range"),
        ({"value_budget_ulp": 0.0}, r"value_budget_ulp = 0.0 must be positive"),
        ({"gradient_budget_ulp": float("inf")}, "gradient_budget_ulp = inf must be positive and finite"),
        ({"gradient_budget_ulp": float("nan")}, "gradient_budget_ulp = nan must be positive and finite"),
    ],
)
def test_a_function_that_cannot_be_is_refused_by_name(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        a_function(**fields)


def test_an_implementation_needs_something_to_call() -> None:
    with pytest.raises(TypeError, match="call = 3 is not callable"):
        Implementation(call=3)  # type: ignore[arg-type]


def test_an_expected_failure_needs_a_reason() -> None:
    with pytest.raises(ValueError, match=r"expected_fail\['gradient_max_ulp'\] has no reason"):
        Implementation(call=abs, expected_fail={"gradient_max_ulp": "  "})


def test_the_values_are_frozen() -> None:
    with pytest.raises(AttributeError):
        a_function().formula = "other"  # type: ignore[misc]
    assert isinstance(a_function(), Function)
