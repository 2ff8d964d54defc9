from __future__ import annotations

import json
import math
from typing import Any

import pytest

from gradgauge.records import AVAILABILITY, Drawn, Metric, Profile, Record, Series, Verdict, dump_line
from tests.fakes import CASE, RECORD_KEYS, a_case


def a_record(**fields: Any) -> Record:
    given: dict[str, Any] = {
        "suite": "speed",
        "case": CASE,
        "metric": "time",
        "value": 1.5,
        "unit": "s",
        "verdict": Verdict.MEASURED,
    }
    return Record(**(given | fields))


def test_a_line_has_every_key_in_the_order_of_the_schema() -> None:
    assert list(a_record().to_json("r1")) == RECORD_KEYS


def test_what_is_unknown_is_null_and_not_zero() -> None:
    line = a_record(value=None, case=a_case(shape="", layout="")).to_json("r1")
    assert [line[key] for key in ("value", "low", "high", "samples", "shape", "layout")] == [None] * 6
    assert line["labels"] == {}
    assert line["detail"] == ""


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_value_that_json_lacks_is_null_and_told(value: float) -> None:
    line = a_record(value=value, low=value, high=value, verdict=Verdict.FAIL, detail="far off").to_json("r1")
    assert (line["value"], line["low"], line["high"]) == (None, None, None)
    assert line["detail"] == f"far off (the value is {value})"
    json.loads(dump_line(line), parse_constant=pytest.fail)


def test_zero_stays_zero() -> None:
    assert a_record(value=0, low=0.0).to_json("r1")["value"] == 0
    assert a_record(value=0, low=0.0).to_json("r1")["low"] == 0.0


def test_a_record_reads_back_as_it_was() -> None:
    record = a_record(labels={"input": "a"}, low=1.0, high=2.0, samples=7, detail="x · y")
    assert Record.from_json(json.loads(dump_line(record.to_json("r1")))) == record


@pytest.mark.parametrize("verdict", list(Verdict))
def test_only_fail_and_crashed_fail_a_run(verdict: Verdict) -> None:
    assert verdict.is_failure == (verdict.value in ("fail", "crashed"))


def test_the_verdicts_are_those_of_the_schema() -> None:
    assert {str(verdict) for verdict in Verdict} == {
        "measured",
        "pass",
        "fail",
        "expected-fail",
        "noisy",
        "crashed",
        "unavailable",
        "unsupported",
        "not-applicable",
    }


def test_a_metric_knows_which_direction_is_better() -> None:
    assert Metric("m", "s", None, exact=True).to_json() == {"unit": "s", "better": None, "exact": True, "help": ""}
    with pytest.raises(ValueError, match="metric m: better = 'bigger' is not lower, higher or None"):
        Metric("m", "s", "bigger", exact=True)
    assert AVAILABILITY.name == "availability"


def test_a_curve_stores_what_is_not_finite_as_null() -> None:
    series = Series(CASE, "value", (0.0, math.inf), (math.nan, 2.0), "", "1")
    line = series.to_json("r1")
    assert (line["x"], line["y"]) == ([0.0, None], [None, 2.0])
    keys = ["run", *CASE.to_json(), "series", "x", "y", "x_unit", "y_unit"]
    assert list(line) == keys


PROFILE = Profile(
    CASE,
    "traces/relu/gradgauge.1.pt.trace.json.gz",
    3e-4,
    spans=(
        Drawn("forward", "region", 1, 0, 0.0, 1e-4),
        Drawn("aten::clamp", "host", 1, 1, 1e-5, 5e-5),
        Drawn("kernel", "device", 2, 0, 2e-5, 5e-5),
        Drawn("aten::clamp", "host", 1, 1, 7e-5, 1e-5),
    ),
    stacks=((("forward", "aten::clamp"), 6e-5), (("forward",), 4e-5)),
)


def test_a_profile_reads_back_as_it_was() -> None:
    line = dump_line(PROFILE.to_json("r1"))
    assert Profile.from_json(json.loads(line, parse_constant=pytest.fail)) == PROFILE


def test_a_profile_tells_each_name_once() -> None:
    line = PROFILE.to_json("r1")
    assert list(line) == ["run", *CASE.to_json(), "trace", "step_s", "names", "spans", "stacks"]
    assert line["names"] == ["forward", "aten::clamp", "kernel"]
    assert line["spans"] == [
        [0, "region", 1, 0, 0.0, 1e-4],
        [1, "host", 1, 1, 1e-5, 5e-5],
        [2, "device", 2, 0, 2e-5, 5e-5],
        [1, "host", 1, 1, 7e-5, 1e-5],
    ]
    assert line["stacks"] == [[[0, 1], 6e-5], [[0], 4e-5]]


def test_a_profile_in_which_nothing_ran_is_one_too() -> None:
    empty = Profile(CASE, "", 0.0, (), ())
    assert Profile.from_json(empty.to_json("r1")) == empty


def test_a_line_is_one_line_of_strict_json() -> None:
    assert dump_line({"a": "σ\nx"}) == '{"a": "σ\\nx"}\n'
    with pytest.raises(ValueError, match="Out of range float"):
        dump_line({"a": math.nan})
