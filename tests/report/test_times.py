from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from gradgauge.records import Record, Verdict
from gradgauge.report import formatting, write_report
from gradgauge.report.places import Place
from gradgauge.report.ranking import Contender, Ranking, rank
from gradgauge.report.tables.cells import value_text
from gradgauge.report.tables.protocols import ranks
from tests.report import synthetic_timing
from tests.report.page import read
from tests.report.synthetic import case, timed, write_run
from tests.report.synthetic_timing import GPU


def page_of(parent: Path, records: Iterable[Record], **more: object) -> dict[str, str]:
    folder = write_run(parent, list(records), [], **synthetic_timing.changes(**more))
    return read(write_report(folder).read_text(encoding="utf-8")).sections


def test_noisy_times_are_counted_and_marked(parent: Path) -> None:
    shown = page_of(parent, synthetic_timing.noisy(synthetic_timing.times("cpu", "wall"), every=17))["times"]
    times = [record for record in synthetic_timing.times("cpu", "wall") if record.metric == "time"]
    assert f"{len(times) // 17} of {len(times)} times missed ±2 %" in shown
    assert shown.count("≈ ") > len(times) // 17


def test_noisy_times_are_counted_by_clock_where_there_are_two(parent: Path) -> None:
    device = synthetic_timing.times(GPU, "device")
    wall = synthetic_timing.noisy(synthetic_timing.times(GPU, "wall"), every=4)
    count = sum(record.metric == "time" for record in device)
    shown = page_of(parent, [*device, *wall])["times"]
    told = f"(0 of {count} by device time, {count // 4} of {count} as a Python caller waits)"
    assert f"{count // 4} of {2 * count} times missed ±2 % {told}: they are marked ≈" in shown


def test_times_that_all_met_the_precision_say_so(parent: Path) -> None:
    assert "All 216 times met ±2 %." in page_of(parent, synthetic_timing.times("cpu", "wall"))["times"]


@pytest.mark.parametrize(("verdict", "told"), [(Verdict.NOISY, True), (Verdict.MEASURED, False)])
def test_a_run_that_asked_for_no_precision_has_missed_none(parent: Path, verdict: Verdict, told: bool) -> None:
    record = replace(timed(case("relu", "where/eager", "forward", "4x4"), 1e-3), verdict=verdict)
    shown = page_of(parent, [record], timing={})["times"]
    assert ("1 of 1 time missed the precision asked for" in shown) is told
    assert "met" not in shown


def test_a_crash_is_no_time_that_missed(parent: Path) -> None:
    crashed = replace(timed(case("relu", "where/eager", "forward", "4x4"), 1e-3), value=None, verdict=Verdict.CRASHED)
    assert "missed" not in page_of(parent, [crashed])["times"]


def test_a_noisy_point_is_told_by_more_than_its_shade(parent: Path) -> None:
    records = [
        replace(timed(case("relu", "where/eager", "forward", shape), 1e-3), verdict=Verdict.NOISY)
        for shape in ("4x4", "8x8")
    ]
    html = write_report(write_run(parent, records, [])).read_text(encoding="utf-8")
    assert len(re.findall(r">≈</text>", html)) == 2
    assert "Pale, with ≈: noisy" in html


def test_every_bandwidth_and_share_of_a_copy_is_a_record_s(parent: Path) -> None:
    records = [*synthetic_timing.times(GPU, "device"), *synthetic_timing.moved_records(GPU)]
    shown = page_of(parent, records)["times"]
    assert "Bandwidth and distance to the roof" in shown
    for record in records:
        if record.metric == "bandwidth":
            assert value_text(record) in shown
        if record.metric == "roof_fraction":
            assert record.value is not None
            assert f"{formatting.percent(record.value)} of a copy" in shown
        if record.metric == "moved_bytes":
            assert f"{value_text(record)} to move" in shown


def test_a_share_or_a_bandwidth_that_is_missing_is_no_zero(parent: Path) -> None:
    time, bandwidth, roof = synthetic_timing.times("cpu", "wall")[:3]
    none = replace(roof, value=None, low=None, high=None, verdict=Verdict.NOT_APPLICABLE)
    shown = page_of(parent, [time, bandwidth, none])["times"]
    assert value_text(bandwidth) in shown
    assert " of a copy (" not in shown
    assert "to move" not in shown
    assert "0 %" not in shown.replace("100 %", "")
    other = page_of(parent / "other", [time, replace(bandwidth, value=None, verdict=Verdict.NOT_APPLICABLE), none])
    assert "not-applicable" in other["times"]
    assert "0 B/s" not in other["times"]


def test_a_noisy_share_is_marked(parent: Path) -> None:
    time, bandwidth, roof = synthetic_timing.times("cpu", "wall")[:3]
    noisy = replace(roof, value=0.63, low=0.5, high=0.8, verdict=Verdict.NOISY)
    assert "≈ 63 % of a copy (50–80)" in page_of(parent, [time, bandwidth, noisy])["times"]


def test_older_runs_have_no_bandwidths(standard_html: str) -> None:
    assert "distance to the roof" not in standard_html
    assert "harness" not in standard_html


def test_the_harness_s_part_stands_beside_the_smallest_shape(parent: Path) -> None:
    records = [*synthetic_timing.machine_records("cpu"), *synthetic_timing.times("cpu", "wall")]
    shown = page_of(parent, records)["times"]
    times = [record for record in records if record.metric == "time" and record.case.shape == "256x256"]
    shares = [
        max(
            synthetic_timing.OVERHEAD_S[item.case.pass_] / item.value
            for item in times
            if item.value and (item.case.function, item.case.technique) == key
        )
        for key in {(record.case.function, record.case.technique) for record in times}
    ]
    assert sorted(re.findall(r"harness: [\d.]+ %", shown)) == sorted(
        f"harness: {formatting.percent(x)}" for x in shares
    )


def test_the_harness_is_held_against_the_wall_clock_alone(parent: Path) -> None:
    machine = list(synthetic_timing.machine_records(GPU))
    assert "harness:" not in page_of(parent, [*machine, *synthetic_timing.times(GPU, "device")])["times"]
    assert "harness:" in page_of(parent / "wall", [*machine, *synthetic_timing.times(GPU, "wall")])["times"]
    retained = synthetic_timing.times(GPU, "wall", "retained")
    assert "harness:" not in page_of(parent / "retained", [*machine, *retained])["times"]


def test_the_ranking_by_protocol_shows_where_it_changes(gpu_sections: dict[str, str]) -> None:
    shown = gpu_sections["times"]
    assert "The backward pass by protocol · cuda:0 · float32, by device time" in shown
    assert "The backward pass by protocol · cuda:0 · float32, as a Python caller waits" in shown
    assert "↕ rank 1" in shown
    assert "↕ rank 3" in shown


def test_one_protocol_has_no_ranking_by_protocol(parent: Path) -> None:
    records = [*synthetic_timing.times(GPU, "device"), *synthetic_timing.times(GPU, "wall")]
    assert "by protocol" not in page_of(parent, records)["times"]


def test_those_that_cannot_be_told_apart_share_a_rank_and_no_speedup_has_none() -> None:
    field = [
        Contender("a", 3.0, 2.9, 3.1),
        Contender("b", 2.95, 2.8, 3.0),
        Contender("c", 2.0, 1.9, 2.1),
        Contender("timed only", -float("inf"), -float("inf"), float("inf")),
    ]
    place = Place.of(synthetic_timing.times("cpu", "wall")[0])
    found = ranks(Ranking(place, "backward", "4x4", *rank(field)))
    assert {name: ranked.rank for name, ranked in found.items()} == {"a": 1, "b": 1, "c": 3}


def test_where_the_time_went_has_its_shares(parent: Path) -> None:
    shown = page_of(parent, [])["environment"]
    for told in ("timed regions", "61 %", "warm-up and compilation", "20 %", "75 %", "2 min 2 s"):
        assert told in shown
    assert "±2 %; cache warm; backward fresh, retained, accumulating" in shown


@pytest.mark.parametrize("spent", [{"speed": {"rest": 0.0}}, {"speed": {"rest": None, "timed regions": 0}}])
def test_nothing_spent_has_no_share(parent: Path, spent: dict[str, dict[str, float | None]]) -> None:
    shown = page_of(parent, [], spent_s=spent, phases_s={})["environment"]
    assert "Where the time went" in shown
    assert "0.0 s" in shown
    assert "0 %" not in shown


@pytest.mark.parametrize(
    ("spent", "told"),
    [
        (
            {"timed regions": 60.0, "fresh graphs": 9.0, "warm-up and compilation": 20.0, "rest": 23.0},
            "speed: 75 % of its time, warm-up and compilation apart, went into timed regions and fresh graphs.",
        ),
        (
            {
                "timed regions": 60.0,
                "fresh graphs and flushes": 9.0,
                "control and copies": 10.0,
                "warm-up and compilation": 20.0,
                "calibration": 6.0,
                "rest": 7.0,
            },
            "75 % of its time, warm-up and compilation apart, went into timed regions, fresh graphs and flushes.",
        ),
    ],
)
def test_what_was_left_for_timing_is_told(parent: Path, spent: dict[str, float], told: str) -> None:
    shown = page_of(parent, [], spent_s={"speed": spent})["environment"]
    assert told in shown
    for name in spent:
        assert name in shown


@pytest.mark.parametrize(
    "spent",
    [
        {"timed regions": 60.0, "fresh graphs": 9.0, "rest": 30.0},
        {"timed regions": 60.0, "warm-up and compilation": 9.0, "rest": 30.0},
        {"fresh graphs": 60.0, "warm-up and compilation": 9.0, "rest": 30.0},
        {"timed regions": 0.0, "fresh graphs": 0.0, "warm-up and compilation": 9.0, "rest": 30.0},
    ],
)
def test_a_run_that_does_not_say_what_was_left_for_timing_is_not_guessed_at(
    parent: Path, spent: dict[str, float]
) -> None:
    shown = page_of(parent, [], spent_s={"speed": spent})["environment"]
    assert "rest" in shown
    assert "apart, went into" not in shown


def test_many_remarks_are_folded(parent: Path) -> None:
    records = [
        timed(case("relu", "where/eager", "forward", f"{size}x4"), 1e-3, detail=f"{size} of 40 rounds left out")
        for size in range(2, 14)
    ]
    assert "12 remarks on these measurements" in page_of(parent, records)["times"]
