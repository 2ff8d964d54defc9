from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from gradgauge.cases import Case
from gradgauge.gate.intervals import share_interval
from gradgauge.records import Record, Series, Verdict
from gradgauge.report.trend import change_points as looking
from gradgauge.report.trend.change_points import FEWEST_RUNS, RISK, change_points
from gradgauge.report.trend.changes import changes_of
from gradgauge.report.trend.histories import times
from gradgauge.report.trend.machines import machines
from gradgauge.report.trend.page import render_trend
from gradgauge.report.trend.reading import read_all
from gradgauge.runs import RunFolder, UnreadableRun
from tests.report import synthetic
from tests.report.page import read, section

NOISE = 0.02
RELU = synthetic.case("relu", "where/eager", "forward", "1024x1024")


def noise(seed: int, runs: int) -> list[float]:
    source = random.Random(seed)
    return [source.gauss(0.0, NOISE) for _ in range(runs)]


def with_step(values: list[float], at: int, factor: float) -> list[float]:
    return [value + (math.log(factor) if index >= at else 0.0) for index, value in enumerate(values)]


# --- change points --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runs", [FEWEST_RUNS, 20, 60])
def test_sequences_that_do_not_change_seldom_show_a_change(runs: int) -> None:
    tried = 300
    alarms = sum(bool(change_points(noise(seed, runs))) for seed in range(tried))
    assert share_interval(alarms, tried)[0] < RISK
    assert alarms / tried < 2 * RISK


def test_the_risk_is_shared_by_all_sequences_of_a_page() -> None:
    pages, sequences = 20, 30
    found = [
        any(change_points(noise(1000 * page + each, 20), sequences) for each in range(sequences))
        for page in range(pages)
    ]
    assert sum(found) <= 4


@pytest.mark.parametrize("factor", [1.1, 1 / 1.1])
@pytest.mark.parametrize("at", [6, 10, 15])
def test_a_step_of_ten_percent_is_found_where_it_is(at: int, factor: float) -> None:
    found = [change_points(with_step(noise(seed, 20), at, factor), 30) for seed in range(60)]
    assert sum(positions == [at] for positions in found) >= 48
    assert sum(len(positions) == 1 and abs(positions[0] - at) <= 1 for positions in found) >= 54


def test_two_steps_are_two_changes() -> None:
    values = with_step(with_step(noise(5, 40), 12, 1.3), 27, 1 / 1.2)
    assert change_points(values) == [12, 27]


def test_one_run_that_stands_out_is_no_new_level() -> None:
    values = noise(7, 20)
    values[9] += math.log(1.5)
    assert change_points(values) == []


def test_few_runs_and_equal_values_show_nothing() -> None:
    assert change_points(with_step([0.0] * (FEWEST_RUNS - 1), 3, 9.0)) == []
    assert change_points([1.0] * 20) == []


def test_equal_values_with_a_step_are_held_against_what_the_intervals_say() -> None:
    values = with_step([0.0] * 10, 5, 1.1)
    assert change_points(values, least_spread=0.01) == [5]
    assert change_points(values, least_spread=0.2) == []


# --- the page -------------------------------------------------------------------------------------------------------

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def a_run(results: Path, day: int, records: list[Record], control_s: float | None = None, **changes: Any) -> RunFolder:
    """Write the run of one day into `runs/`."""
    folder = RunFolder(results / "runs" / f"202601{day:02}T000000Z-0000")
    folder.path.mkdir(parents=True)
    described = synthetic.description(start=f"2026-01-{day:02}T00:00:00+00:00", **changes)
    folder.write_description({"run_id": folder.run_id, **described})
    for record in records:
        folder.append_record(record)
    if control_s is not None:
        control = Case("", "control", "", "", "cpu", "float32", "262144", "")
        folder.append_series(Series(control, "control", (0.0, 1.0, 2.0), (control_s,) * 3, "s", "s"))
    return folder


def days(results: Path, factors: list[float], controls: list[float] | None = None, **later: Any) -> None:
    """Write a run a day whose only time is 1 ms times the factor, with 2 % of noise about it."""
    for index, (factor, off) in enumerate(zip(factors, noise(3, len(factors)), strict=True)):
        control_s = 1e-5 * controls[index] if controls else None
        changes = later if factor != factors[0] else {}
        a_run(results, index + 1, [synthetic.timed(RELU, 1e-3 * factor * math.exp(off))], control_s, **changes)


STEP = [1.0] * 10 + [1.3] * 10


def test_a_change_is_told_with_its_run_its_commit_and_what_else_changed(tmp_path: Path) -> None:
    environment = synthetic.description()["environment"]
    newer = {**environment, "packages": {**environment["packages"], "torch": "2.14.0"}}
    newer["git"] = {"commit": COMMIT, "dirty": True}
    days(tmp_path, STEP, [1.0] * 20, environment=newer)
    stored, _ = read_all(tmp_path)
    (change,) = changes_of(stored, times(stored))
    assert change.at.run_id == "20260111T000000Z-0000"
    assert change.factor == pytest.approx(1.3, rel=0.03)
    assert not change.is_shared
    told = section(render_trend(tmp_path), "changed-blocks")
    assert "relu · where · eager, forward, graph recorded (cpu · float32, 1024x1024): 1.28× slower since" in told
    assert "slower since run 20260111T000000Z-0000 (0123456789+); the control did not (1.00× as long)" in told
    assert "at the same run packages.torch 2.13.0 → 2.14.0" in told


def test_a_change_that_the_control_shares_is_the_machines(tmp_path: Path) -> None:
    days(tmp_path, STEP, [1.0] * 10 + [1.28] * 10)
    stored, _ = read_all(tmp_path)
    (change,) = changes_of(stored, times(stored))
    assert change.is_shared
    told = section(render_trend(tmp_path), "changed-blocks")
    assert "No change in 1 sequence of 20 runs." in told
    assert "1 change that the control shares: the machine, not the code" in told


def test_a_change_within_the_margin_is_not_told(tmp_path: Path) -> None:
    for day in range(1, 21):
        a_run(tmp_path, day, [synthetic.timed(RELU, 1e-3 if day <= 10 else 1.03e-3, spread=1e-4)])
    stored, _ = read_all(tmp_path)
    assert changes_of(stored, times(stored)) == []


def test_with_few_runs_it_is_said_how_many_a_change_needs(tmp_path: Path) -> None:
    days(tmp_path, [1.0] * 3)
    told = section(render_trend(tmp_path), "changed-blocks")
    assert "3 runs, in which no case was timed more than 3 times: a change needs 8." in told


def test_without_ruptures_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "find_spec", lambda name: None)
    days(tmp_path, STEP)
    html = render_trend(tmp_path)
    assert "No change points were looked for" in section(html, "changed-blocks")
    assert "pip install 'gradgauge[trend]'" in section(html, "changed-blocks")
    assert "All 1 sequence" in section(html, "times-blocks")


def test_runs_of_another_machine_are_another_sequence(tmp_path: Path) -> None:
    days(tmp_path, [1.0] * 3)
    other = {"machine": {"cpu": "Another CPU"}, "packages": {"torch": "2.13.0"}}
    a_run(tmp_path, 9, [synthetic.timed(RELU, 1.0)], environment=other)
    stored, _ = read_all(tmp_path)
    assert [len(found.runs) for found in machines(stored)] == [3, 1]
    assert "Another CPU" in section(render_trend(tmp_path), "runs-blocks")


def test_another_torch_is_the_same_machine(tmp_path: Path) -> None:
    days(tmp_path, [1.0] * 2)
    environment = synthetic.description()["environment"]
    a_run(tmp_path, 9, [], environment={**environment, "packages": {"torch": "9.9"}})
    stored, _ = read_all(tmp_path)
    assert len(machines(stored)) == 1


def test_a_history_is_of_the_shape_that_most_runs_have_the_largest_of_those(tmp_path: Path) -> None:
    small, large = (synthetic.case("relu", "where/eager", "forward", shape) for shape in ("64x64", "1024x1024"))
    seldom = synthetic.case("relu", "where/eager", "forward", "4096x4096")
    for day, cases in enumerate([[small, large, seldom], [small, large], [large, small]], 1):
        a_run(tmp_path, day, [synthetic.timed(case, 1.0) for case in cases])
    stored, _ = read_all(tmp_path)
    (history,) = times(stored)
    assert (history.shape, len(history.points)) == ("1024x1024", 3)


def test_an_exact_figure_that_changed_is_listed_without_any_detection(tmp_path: Path) -> None:
    for day, kept in enumerate((4096, 4096, 8192), 1):
        a_run(tmp_path, day, [Record("memory", RELU, "saved_bytes", kept, "byte", Verdict.MEASURED)])
    told = section(render_trend(tmp_path), "exact-blocks")
    assert "saved_bytes 4.0 KiB 8.0 KiB 20260103T000000Z-0000" in told


def test_folders_are_read_wherever_they_lie_and_once(tmp_path: Path) -> None:
    days(tmp_path, [1.0] * 2)
    (tmp_path / "runs" / "latest").symlink_to("20260102T000000Z-0000", target_is_directory=True)
    copy = tmp_path / "published" / "kept"
    copy.mkdir(parents=True)
    first = tmp_path / "runs" / "20260101T000000Z-0000"
    for file in ("run.json", "records.jsonl"):
        (copy / file).write_bytes((first / file).read_bytes())
    stored, left = read_all(tmp_path)
    assert len(stored) == 2
    assert [found.reason.partition(" as ")[0] for found in left] == ["the same run"]


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("run.json", '{"schema_version": 99}', "schema_version 99"),
        ("run.json", "no", "not JSON"),
        ("records.jsonl", '{"suite": "speed"}\n', "records.jsonl:1: verdict: missing"),
        ("series.jsonl", '{"series": "control", "x": 3}\n', "expected a list"),
    ],
)
def test_a_run_that_cannot_be_read_is_left_out_with_the_reason(
    tmp_path: Path, file: str, content: str, words: str
) -> None:
    days(tmp_path, [1.0] * 2)
    (tmp_path / "runs" / "20260102T000000Z-0000" / file).write_text(content, encoding="utf-8")
    stored, left = read_all(tmp_path)
    assert (len(stored), len(left)) == (1, 1)
    assert words in left[0].reason
    html = render_trend(tmp_path)
    assert read(html).unbalanced == []
    assert words in section(html, "runs-blocks")


def test_where_nothing_can_be_read_the_reason_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UnreadableRun, match=r"no run can be read below .*no folder with a run\.json"):
        render_trend(tmp_path)


def test_lines_of_other_suites_are_passed_over_unread_but_spaces_do_not_hide_a_time(tmp_path: Path) -> None:
    folder = a_run(tmp_path, 1, [synthetic.timed(RELU, 1.0)])
    compact = json.dumps(synthetic.timed(RELU, 1.0).to_json("x") | {"shape": "64x64"}, separators=(",", ":"))
    with folder.records_jsonl.open("a", encoding="utf-8") as file:
        file.write('{"suite": "gradients", this is never parsed}\n')
        file.write(f"{compact}\n")
    stored, left = read_all(tmp_path)
    assert left == []
    assert {record.case.shape for record in stored[0].run.records} == {"1024x1024", "64x64"}
