from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradgauge.records import Record, Series, Verdict
from gradgauge.report.comparison.advice import other_answers
from gradgauge.report.comparison.environment import decisive_differences, facts
from gradgauge.report.comparison.exact import exact_changes, figures_among, verdicts_among
from gradgauge.report.comparison.page import render_comparison
from gradgauge.report.comparison.ratios import Change, Ratio, control_ratios, other_units, pairs, ratio_of
from gradgauge.report.comparison.sides import merged_looks, sides_of
from gradgauge.report.data import RunData
from gradgauge.report.ranking import recommendations
from tests.report import synthetic, synthetic_timing
from tests.report.page import read, section

RELU = synthetic.case("relu", "where/eager", "forward", "1024x1024")


def a_run(
    parent: Path, name: str, records: Iterable[Record], series: list[Series] | None = None, **changes: Any
) -> RunData:
    folder = synthetic.write_run(parent / name, list(records), series or [], run_id=name, **changes)
    return RunData.load(folder)


def scaled(records: Iterable[Record], factor: float, *, name: str = "where", metric: str = "time") -> list[Record]:
    """Return the records with the figures of one implementation's metric taken times a factor."""

    def times_it(record: Record) -> Record:
        if record.case.implementation != name or record.metric != metric or record.value is None:
            return record
        low, high = (None if bound is None else bound * factor for bound in (record.low, record.high))
        return replace(record, value=record.value * factor, low=low, high=high)

    return [times_it(record) for record in records]


# --- ratios ---------------------------------------------------------------------------------------------------------


def test_the_interval_of_a_ratio_is_root_sum_square_on_a_log_scale() -> None:
    base = replace(synthetic.timed(RELU, 1e-3), low=1e-3 / math.exp(0.03), high=1e-3 * math.exp(0.03))
    other = replace(synthetic.timed(RELU, 2e-3), low=2e-3 / math.exp(0.04), high=2e-3 * math.exp(0.04))
    found = ratio_of(base, other)
    assert found
    assert (found.value, found.low, found.high) == pytest.approx((2.0, 2 * math.exp(-0.05), 2 * math.exp(0.05)))


def test_bounds_count_on_the_side_on_which_they_widen_the_ratio() -> None:
    base = replace(synthetic.timed(RELU, 1.0), low=1.0, high=math.exp(0.3))
    other = replace(synthetic.timed(RELU, 1.0), low=1.0, high=math.exp(0.4))
    found = ratio_of(base, other)
    assert found
    assert (found.low, found.high) == pytest.approx((math.exp(-0.3), math.exp(0.4)))


def test_without_an_interval_or_a_figure_nothing_is_claimed() -> None:
    whole = synthetic.timed(RELU, 1.0)
    bare = ratio_of(whole, replace(synthetic.timed(RELU, 9.0), low=None))
    assert bare
    assert bare.value == pytest.approx(9.0)
    assert (bare.low, bare.high) == (None, None)
    assert bare.change(lower_is_better=True) is Change.UNKNOWN
    assert ratio_of(whole, replace(whole, value=None)) is None
    assert ratio_of(whole, replace(whole, value=0.0)) is None


@pytest.mark.parametrize(
    ("low", "high", "of_times", "of_speedups"),
    [
        (1.051, 1.2, Change.SLOWER, Change.FASTER),
        (1.049, 1.2, Change.NONE, Change.NONE),
        (0.8, 0.952, Change.FASTER, Change.SLOWER),
        (0.8, 0.953, Change.NONE, Change.NONE),
    ],
)
def test_a_change_is_called_only_beyond_the_margin(
    low: float, high: float, of_times: Change, of_speedups: Change
) -> None:
    found = Ratio(math.sqrt(low * high), low, high)
    assert found.change(lower_is_better=True) is of_times
    assert found.change(lower_is_better=False) is of_speedups


def test_times_near_the_ends_of_floats_have_a_ratio_still() -> None:
    found = ratio_of(synthetic.timed(RELU, 1e-300), synthetic.timed(RELU, 1e300))
    assert found
    assert math.isfinite(found.value)


def test_only_what_both_runs_timed_alike_is_paired(tmp_path: Path) -> None:
    cold = replace(synthetic.timed(RELU, 1.0), labels={"cache": "cold"})
    warm = replace(synthetic.timed(RELU, 2.0), labels={"clock": "wall", "cache": "warm"})
    base = a_run(tmp_path, "a", [synthetic.timed(RELU, 1.0)])
    other = a_run(tmp_path, "b", [cold, warm])
    (pair,) = pairs(base, other)
    assert pair.time.value == pytest.approx(2.0)
    assert pair.speedup is None


def test_times_in_another_unit_are_not_compared_and_it_is_said(tmp_path: Path) -> None:
    in_ms = {**synthetic.METRICS, "time": {**synthetic.METRICS["time"], "unit": "ms"}}
    base = a_run(tmp_path, "a", [synthetic.timed(RELU, 1.0)])
    other = a_run(tmp_path, "b", [replace(synthetic.timed(RELU, 1.0), unit="ms")], metrics=in_ms)
    assert pairs(base, other) == []
    assert other_units(base, other) == ["time (s and ms)"]
    assert "the units differ: time (s and ms)" in section(render_comparison([base, other]), "times-blocks")


def test_the_control_of_a_device_is_compared_with_its_own(tmp_path: Path) -> None:
    records = [synthetic.timed(RELU, 1.0)]
    series = list(synthetic_timing.control("cpu", drift=0.0))
    slower = [replace(one, y=tuple(1.5 * y for y in one.y)) for one in series]
    base, other = a_run(tmp_path, "a", records, series), a_run(tmp_path, "b", records, slower)
    (found,) = control_ratios(base, other)
    assert found.device == "cpu"
    assert found.value == pytest.approx(1.5)
    html = render_comparison([base, other])
    assert "The control, which is nobody's code, took 1.50× as long (cpu) in B." in section(html, "verdict-blocks")
    none = render_comparison([base, a_run(tmp_path, "c", records)])
    assert "share no control" in section(none, "times-blocks")


# --- the page -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[RunData]:
    """Return two runs: in the second, `where` is 1.5 times slower, and another torch was used."""
    parent = tmp_path_factory.mktemp("two")
    records = synthetic.standard_records()
    environment = synthetic.description()["environment"]
    newer = {**environment, "packages": {**environment["packages"], "torch": "2.14.0"}}
    slower = scaled(scaled(records, 1.5), 1 / 1.5, metric="speedup")
    return [a_run(parent, "before", records), a_run(parent, "after", slower, environment=newer)]


@pytest.fixture(scope="module")
def html(two: list[RunData]) -> str:
    return render_comparison(two)


def test_the_parts_stand_in_the_order_of_reading_and_the_tags_balance(html: str) -> None:
    page = read(html)
    assert page.unbalanced == []
    ids = [str(attrs.get("id")) for tag, attrs in page.elements if tag == "section" and attrs.get("class") == "part"]
    assert ids == ["environment", "verdict", "advice", "times", "exact", "alone"]


def test_only_what_differs_stands_in_the_open_table(two: list[RunData], html: str) -> None:
    sides = sides_of(two)
    assert decisive_differences(sides) == ["packages.torch"]
    assert facts(sides)["packages.torch"] == ["2.13.0", "2.14.0"]
    told = section(html, "environment-blocks")
    assert "packages.torch differs: a ratio of times compares that, too" in told
    before, _, folded = told.partition("are the same in all runs")
    assert "2.14.0" in before
    assert "Example EPYC 7B13" not in before
    assert "Example EPYC 7B13" in folded


def test_what_is_slower_is_counted_and_named(two: list[RunData], html: str) -> None:
    found = pairs(*two)
    slower = [pair for pair in found if pair.time_change is Change.SLOWER]
    assert {pair.case.implementation for pair in slower} == {"where"}
    assert len(slower) == sum(pair.case.implementation == "where" for pair in found)
    assert f"of {len(found)} times, 0 faster, {len(slower)} slower and" in section(html, "verdict-blocks")
    assert "1.50×" in section(html, "times-blocks")


def test_another_answer_is_told(tmp_path: Path) -> None:
    records = synthetic.standard_records()
    base = a_run(tmp_path, "a", records)
    leader = next(found for found in recommendations(base) if found.is_claim)
    name = leader.names[0].partition(" · ")[0]
    other = a_run(tmp_path, "b", scaled(records, 1 / 50, name=name, metric="speedup"))
    told = f"{leader.place.function}, {leader.purpose} (cpu · float32)"
    assert told in (other_answers(base, other) or [])
    assert "another answer" in section(render_comparison([base, other]), "advice-blocks")
    assert other_answers(base, base) == []


def test_verdicts_and_counts_that_changed_are_told_apart(tmp_path: Path) -> None:
    measured = synthetic.case("relu", "where/eager", "forward_backward", "1024x1024")
    kept = Record("memory", measured, "saved_bytes", 4096, "byte", Verdict.MEASURED)
    right = synthetic.agreement(measured, "gradient_max_ulp", 1.0, Verdict.PASS, input="x")
    base = a_run(tmp_path, "a", [kept, right])
    wrong = replace(right, value=9.0, verdict=Verdict.FAIL, detail="the sign is wrong")
    other = a_run(tmp_path, "b", [replace(kept, value=8192), wrong])
    findings = exact_changes(base, other).findings
    (verdict,), (figure,) = verdicts_among(findings), figures_among(findings)
    assert (verdict.baseline, verdict.candidate) == ("pass", "fail")
    assert (figure.metric, figure.baseline, figure.candidate) == ("saved_bytes", 4096, 8192)
    told = section(render_comparison([base, other]), "exact-blocks")
    assert "the sign is wrong" in told
    assert "4.0 KiB 8.0 KiB" in told


def test_cases_of_one_run_alone_are_counted(tmp_path: Path) -> None:
    bigger = replace(RELU, shape="4096x4096")
    kept = Record("memory", bigger, "saved_bytes", 4096, "byte", Verdict.MEASURED)
    base = a_run(tmp_path, "a", [synthetic.timed(RELU, 1.0), synthetic.timed(bigger, 1.0), kept])
    other = a_run(tmp_path, "b", [synthetic.timed(RELU, 1.0)])
    html = render_comparison([base, other])
    told = section(html, "alone-blocks")
    assert "2 cases of A that B lacks" in told
    assert "of B that A lacks" not in told
    assert exact_changes(base, other).findings == []


def test_runs_without_a_case_in_common_are_a_page_still(tmp_path: Path) -> None:
    base = a_run(tmp_path, "a", [synthetic.timed(RELU, 1.0)])
    other = a_run(tmp_path, "b", [synthetic.timed(replace(RELU, function="sigmoid"), 1.0)])
    assert "A and B have no timed case in common" in section(render_comparison([base, other]), "times-blocks")


def test_a_technique_has_one_colour_in_whichever_run_it_is(tmp_path: Path) -> None:
    base = a_run(tmp_path, "a", [synthetic.timed(RELU, 1.0)])
    other = a_run(tmp_path, "b", [synthetic.timed(replace(RELU, implementation="a_new_one"), 1.0)])
    merged = merged_looks(sides_of([base, other]))
    assert {"where", "a_new_one"} <= merged.keys()
    assert merged["where"].variable != merged["a_new_one"].variable


def test_three_runs_are_each_held_against_the_first(two: list[RunData]) -> None:
    html = render_comparison([*two, two[0]])
    told = section(html, "verdict-blocks")
    assert "B (after) against A (before)" in told
    assert "C (before) against A (before)" in told


def test_names_from_a_run_stay_text(tmp_path: Path) -> None:
    evil = replace(RELU, implementation="<script>alert(1)</script>")
    environment = {"machine": {"cpu": "<img src=x onerror=alert(1)>"}}
    base = a_run(tmp_path, "a", [synthetic.timed(evil, 1.0)], environment=environment)
    html = render_comparison([base, a_run(tmp_path, "b", [synthetic.timed(evil, 2.0)])])
    assert "<script>alert" not in html
    assert not re.search(r"<img", html)
