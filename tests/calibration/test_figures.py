from __future__ import annotations

import math

import pytest

from calibration.figures import Figure, Problem, costs, positive, timing_figures, unmeasured
from tests.calibration.building import USUAL, a_key, a_line
from tests.fakes import a_case


def test_figures_are_keyed_by_case_and_labels() -> None:
    warm, cold = a_key("where", USUAL), a_key("where", USUAL | {"cache": "cold"})
    lines = [a_line(warm, "time", 2.0, low=1.5, high=3.0), a_line(cold, "time", 4.0, "noisy")]
    assert timing_figures(lines, "time") == {warm: Figure(2.0, 1.5, 3.0), cold: Figure(4.0, verdict="noisy")}
    assert warm.block != cold.block
    assert str(warm) == "relu · where · eager · forward · cpu · float32 · 8x8 · contiguous · cache warm · clock wall"


def test_other_metrics_and_other_suites_are_passed_over() -> None:
    key = a_key("where")
    other_suite = a_line(key, "time", 1.0) | {"suite": "machine", "function": None, "pass": None}
    assert timing_figures([a_line(key, "speedup", 1.0), other_suite], "time") == {}


def test_a_case_tried_in_vain_has_a_figure_without_a_value() -> None:
    key = a_key("where")
    assert timing_figures([a_line(key, "time", None, "crashed")], "time") == {key: Figure(None, verdict="crashed")}


def test_two_records_of_one_key_are_refused() -> None:
    line = a_line(a_key("where"), "time", 1.0)
    with pytest.raises(Problem, match="two records of time for relu · where"):
        timing_figures([line, line], "time")


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, 0.0, -1.0])
def test_what_can_be_no_time_is_missing(value: float | None) -> None:
    assert positive(value) is None


def test_what_costs_less_is_faster_by_either_metric() -> None:
    one, other, none = a_key("where"), a_key("native"), a_key("masked")
    figures = {one: Figure(0.5), other: Figure(2.0), none: Figure(None)}
    assert costs(figures, "time") == {one: 0.5, other: 2.0, none: None}
    assert costs(figures, "speedup") == {one: 2.0, other: 0.5, none: None}


def test_planned_cases_without_a_value_are_counted_once() -> None:
    planned = [{"suite": "speed", **a_case(implementation=name).to_json()} for name in ("a", "b", "c")]
    planned.append({"suite": "memory", **a_case(implementation="d").to_json()})
    figures = {a_key("a"): Figure(1.0), a_key("a", USUAL): Figure(1.0), a_key("b"): Figure(None)}
    assert unmeasured(planned, figures) == 2
