from __future__ import annotations

import math

import pytest

from gradgauge.catalog import Catalog
from gradgauge.curves import FAR, OTHERS_AT, curves_of
from tests.fakes import a_case, a_function, an_entry


def test_value_and_gradient_are_the_calls_own(catalog: Catalog) -> None:
    entry = catalog.functions["relu"]
    value, gradient = curves_of(a_case(), entry, entry.reference.implementation.call)
    assert (value.name, gradient.name, value.along, gradient.along) == ("value", "gradient", "x", "x")
    assert value.y == [max(x, 0.0) for x in value.x]
    assert gradient.y == [float(x >= 0) for x in gradient.x]
    assert gradient.x == value.x


def test_points_are_dense_over_the_curve_and_reach_far_beyond(catalog: Catalog) -> None:
    entry = catalog.functions["ternary_activation"]
    value, _ = curves_of(a_case(), entry, entry.reference.implementation.call)
    inside = [x for x in value.x if -12 <= x <= 12]
    assert len(inside) >= 300
    assert value.x == sorted(set(value.x))
    assert (value.x[0], value.x[-1]) == (-FAR, FAR)


def test_a_lost_gradient_is_kept_as_it_came(catalog: Catalog) -> None:
    entry = catalog.functions["ternary_activation"]
    published = entry.implementations["published"].implementation.call
    _, gradient = curves_of(a_case(), entry, published)
    lost = [x for x, y in zip(gradient.x, gradient.y, strict=True) if math.isnan(y)]
    assert lost
    assert min(map(abs, lost)) > 90


def test_each_input_of_several_is_followed_with_the_others_held() -> None:
    entry = an_entry(a_function(inputs=("a", "b"), curve=(-1.0, 1.0)), reference=lambda a, b: a * b)
    curves = list(curves_of(a_case(), entry, lambda a, b: a * b * b))
    names = [("value", "a"), ("gradient", "a"), ("value", "b"), ("gradient", "b")]
    assert [(curve.name, curve.along) for curve in curves] == names
    assert set(curves[1].y) == {OTHERS_AT**2}
    assert curves[3].y == pytest.approx([2 * OTHERS_AT * x for x in curves[3].x])


def test_of_several_outputs_the_first_is_drawn() -> None:
    entry = an_entry(a_function(curve=(-1.0, 1.0)), reference=lambda x: (2 * x, 3 * x))
    value, gradient = curves_of(a_case(), entry, lambda x: (2 * x, 3 * x))
    assert value.y == [2 * x for x in value.x]
    assert set(gradient.y) == {2.0}


def test_an_output_that_ignores_an_input_has_slope_zero_along_it() -> None:
    entry = an_entry(a_function(inputs=("a", "b"), curve=(-1.0, 1.0)), reference=lambda a, b: 2 * a)
    curves = {(curve.name, curve.along): curve for curve in curves_of(a_case(), entry, lambda a, b: 2 * a)}
    assert set(curves["gradient", "a"].y) == {2.0}
    assert set(curves["gradient", "b"].y) == {0.0}
