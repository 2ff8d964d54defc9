from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from gradgauge.catalog import Catalog, FunctionEntry
from gradgauge.curves import OTHERS_AT, AtlasEntry, Curve, atlas_of, curves_of
from gradgauge.error_budgets import Budgets
from gradgauge.inputs import FARTHEST
from tests.fakes import a_case, a_function, an_entry


def curves(entry: FunctionEntry, call: Callable[..., Any]) -> list[Curve]:
    """Return the call's curves; an ulp and a half of a value is excused, and 16 of a gradient."""
    return list(curves_of(a_case(), entry, call, Budgets(entry, (1.5,) * 2, (16.0,) * 2)))


def test_value_and_gradient_are_the_calls_own(catalog: Catalog) -> None:
    entry = catalog.functions["relu"]
    value, gradient, *_ = curves(entry, entry.reference.implementation.call)
    assert (value.name, gradient.name, value.along, gradient.along) == ("value", "gradient", "x", "x")
    assert value.y == [max(x, 0.0) for x in value.x]
    assert gradient.y == [float(x >= 0) for x in gradient.x]
    assert gradient.x == value.x


def test_points_are_dense_over_the_curve_and_reach_far_beyond(catalog: Catalog) -> None:
    entry = catalog.functions["ternary_activation"]
    value, *_ = curves(entry, entry.reference.implementation.call)
    inside = [x for x in value.x if -12 <= x <= 12]
    assert len(inside) >= 300
    assert value.x == sorted(set(value.x))
    assert (value.x[0], value.x[-1]) == (-FARTHEST, FARTHEST)


def test_a_lost_gradient_is_kept_as_it_came(catalog: Catalog) -> None:
    entry = catalog.functions["ternary_activation"]
    published = entry.implementations["published"].implementation.call
    _, gradient, _, error, *_ = curves(entry, published)
    lost = [x for x, y in zip(gradient.x, gradient.y, strict=True) if math.isnan(y)]
    assert lost
    assert min(map(abs, lost)) > 90
    assert [x for x, y in zip(error.x, error.y, strict=True) if math.isnan(y)] == lost
    wrong = [x for x, y in zip(error.x, error.y, strict=True) if y > 1e4]
    assert wrong
    assert max(wrong) < -5


def test_each_input_of_several_is_followed_with_the_others_held() -> None:
    entry = an_entry(a_function(inputs=("a", "b"), curve=(-1.0, 1.0)), reference=lambda a, b: a * b)
    drawn = curves(entry, lambda a, b: a * b * b)
    names = ["value", "gradient", "value_error", "gradient_error", "value_budget", "gradient_budget"]
    assert [(curve.name, curve.along) for curve in drawn] == [(name, along) for along in "ab" for name in names]
    assert set(drawn[1].y) == {OTHERS_AT**2}
    assert drawn[7].y == pytest.approx([2 * OTHERS_AT * x for x in drawn[7].x])


def test_of_several_outputs_the_first_is_drawn() -> None:
    entry = an_entry(a_function(curve=(-1.0, 1.0)), reference=lambda x: (2 * x, 3 * x))
    value, gradient, *_ = curves(entry, lambda x: (2 * x, 3 * x))
    assert value.y == [2 * x for x in value.x]
    assert set(gradient.y) == {2.0}


def test_an_output_that_ignores_an_input_has_slope_zero_along_it() -> None:
    entry = an_entry(a_function(inputs=("a", "b"), curve=(-1.0, 1.0)), reference=lambda a, b: 2 * a)
    drawn = {(curve.name, curve.along): curve for curve in curves(entry, lambda a, b: 2 * a)}
    assert set(drawn["gradient", "a"].y) == {2.0}
    assert set(drawn["gradient", "b"].y) == {0.0}


def atlas(catalog: Catalog, function: str, technique: str, shape: str = "64x64") -> list[AtlasEntry]:
    entry = catalog.functions[function]
    call = entry.implementations[technique].implementation.call
    count = len(entry.function.inputs)
    return list(atlas_of(a_case(function=function, shape=shape), entry, call, Budgets(entry, (4.0,), (16.0,) * count)))


def at(entries: list[AtlasEntry], what: str) -> dict[str, AtlasEntry]:
    return {entry.place.name: entry for entry in entries if entry.what == what}


def test_the_atlas_holds_value_and_slope_at_a_kink_its_neighbours_and_the_extremes(catalog: Catalog) -> None:
    slopes, values = (at(atlas(catalog, "relu", "native"), what) for what in ("gradient", "value"))
    assert (slopes["−0"].y, slopes["+0"].y, slopes["+0 + 1 ulp"].y, slopes["+0 − 8 ulp"].y) == (0, 0, 1, 0)
    assert (slopes["+0"].low, slopes["+0"].high) == (0.0, 1.0)
    assert (values["+inf"].y, values["−inf"].y) == (math.inf, 0.0)
    assert math.isnan(values["NaN"].y)
    assert slopes["NaN"].is_right is None
    assert all(entry.is_right for name, entry in slopes.items() if name != "NaN")


def test_the_atlas_tells_what_is_wrong_where(catalog: Catalog) -> None:
    slopes = at(atlas(catalog, "ternary_activation", "published"), "gradient")
    wrong = {name for name, entry in slopes.items() if entry.is_right is False}
    assert {"−5 − 1 ulp", "−6", "−100", "−inf", "largest"} <= wrong
    assert not {"−5", "−5 + 1 ulp", "+0", "5", "6", "NaN"} & wrong
    assert slopes["−5"].y == pytest.approx(0.1)


def test_the_atlas_follows_each_of_several_inputs(catalog: Catalog) -> None:
    entries = atlas(catalog, "multiply", "reference", shape="64x64,64x64")
    assert {entry.along for entry in entries} == {"a", "b"}
    assert {entry.y for entry in entries if entry.what == "gradient"} == {OTHERS_AT}


def test_there_is_no_atlas_where_the_places_do_not_fit(catalog: Catalog) -> None:
    assert atlas(catalog, "relu", "native", shape="4") == []
    assert atlas(catalog, "multiply", "reference", shape="64x64,64") == []


def test_what_is_excused_is_drawn_along_the_error(catalog: Catalog) -> None:
    entry = catalog.functions["relu"]
    found = {curve.name: curve for curve in curves(entry, entry.reference.implementation.call)}
    assert set(found["value_budget"].y) == {1.5}
    assert set(found["gradient_budget"].y) == {16.0}
    assert found["gradient_budget"].x == found["gradient"].x
