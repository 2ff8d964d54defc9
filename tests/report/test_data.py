from __future__ import annotations

import gc
import json
import math
from pathlib import Path
from typing import Any

import pytest

from gradgauge.report import summary_lines, write_report
from gradgauge.report.data import RunData
from gradgauge.runs import RunFolder, UnreadableRun
from tests.report import synthetic
from tests.report.synthetic import write_run

FEW = synthetic.standard_records()[:3]


def test_the_frame_has_a_row_a_record_and_nan_where_a_number_is_missing(standard_run: RunFolder) -> None:
    run = RunData.load(standard_run)
    frame = run.frame
    assert len(frame) == len(run.records) == len(synthetic.standard_records())
    crashed = frame[frame["verdict"] == "crashed"].iloc[0]
    assert math.isnan(crashed["value"])
    assert crashed["elements"] == 2**24
    absent = frame[frame["metric"] == "availability"].iloc[0]
    assert (absent["pass"], absent["device"]) == ("", "")
    assert frame.loc[frame["metric"] == "kink_slope", "label_text"].unique().tolist() == ["kink=x = 0"]


def test_of_one_suite_its_records_are_read_and_what_could_not_run(standard_run: RunFolder) -> None:
    whole, part = RunData.load(standard_run), RunData.load(standard_run, "memory")
    assert part.records == tuple(
        record for record in whole.records if record.suite == "memory" or record.metric == "availability"
    )
    assert {record.suite for record in part.records} == {"memory", "speed"}
    assert part.series == ()
    assert part.description == whole.description


def test_the_frame_of_no_records_has_its_columns(parent: Path) -> None:
    frame = RunData.load(write_run(parent, [], [])).frame
    assert frame.empty
    assert {"suite", "pass", "technique", "elements", "value"} <= set(frame.columns)


@pytest.mark.parametrize("shape", ["", "4xx3", "4,5,6", "9" * 40])
def test_a_shape_that_makes_no_sense_has_no_number_of_elements(parent: Path, shape: str) -> None:
    run = RunData.load(write_run(parent, [], []))
    assert run.elements(synthetic.case("relu", "where/eager", "forward", shape)) is None


@pytest.mark.parametrize(
    ("shape", "elements"), [("scalar", 1), ("0x3", 0), ("4x3x5x5", 300), ("1024x1024,1024", 2**20)]
)
def test_elements(parent: Path, shape: str, elements: int) -> None:
    run = RunData.load(write_run(parent, [], []))
    function = "multiply" if "," in shape else "relu"
    assert run.elements(synthetic.case(function, "reference/eager", "forward", shape)) == elements


def edit_record(folder: RunFolder, **changes: Any) -> None:
    lines = [json.loads(line) for line in folder.records_jsonl.read_text().splitlines()]
    lines[1] |= changes
    folder.records_jsonl.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"verdict": "splendid"}, ("records.jsonl:2", "verdict", "splendid", "expected-fail")),
        ({"verdict": None}, ("records.jsonl:2", "verdict", "missing")),
        ({"value": "fast"}, ("records.jsonl:2", "value", "'fast'", "a number")),
        ({"value": 10**400}, ("records.jsonl:2", "value", "finite")),
        ({"low": float("nan")}, ("records.jsonl:2", "low", "finite")),
        ({"labels": ["a"]}, ("records.jsonl:2", "labels", "an object")),
        ({"labels": {"input": 3}}, ("records.jsonl:2", "labels.input", "a string")),
        ({"metric": None}, ("records.jsonl:2", "metric", "missing")),
        ({"shape": 7}, ("records.jsonl:2", "shape", "a string")),
    ],
)
def test_a_record_that_is_none_is_refused_with_file_line_and_key(
    parent: Path, changes: dict[str, Any], told: tuple[str, ...]
) -> None:
    folder = write_run(parent, FEW, [])
    edit_record(folder, **changes)
    for call in (write_report, summary_lines):
        with pytest.raises(UnreadableRun) as refusal:
            call(folder)
        assert all(part in str(refusal.value) for part in told), str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"metrics": []}, "metrics: list [], expected an object"),
        ({"complete": "yes"}, "complete: str 'yes', expected true or false"),
        ({"phases_s": {"speed": "long"}}, "phases_s.speed: str 'long', expected a number"),
        ({"timing": []}, "timing: list [], expected an object"),
        ({"timing": {"precision": "fine"}}, "timing.precision: str 'fine', expected a number"),
        ({"timing": {"precision": 10**400}}, "timing.precision: int 1000"),
        ({"timing": {"caches": "warm"}}, "timing.caches: str 'warm', expected a list"),
        ({"timing": {"protocols": [1]}}, "timing.protocols[0]: int 1, expected a string"),
        ({"timing": {"cuda_graph": 1}}, "timing.cuda_graph: int 1, expected true or false"),
        ({"spent_s": [3]}, "spent_s: list [3], expected an object"),
        ({"spent_s": {"speed": 3.0}}, "spent_s.speed: float 3.0, expected an object"),
        ({"spent_s": {"speed": {"rest": "long"}}}, "spent_s.speed.rest: str 'long', expected a number"),
        ({"catalog": {"functions": {"relu": {"kinks": {}}}}}, "catalog.functions.relu.kinks: dict {}, expected a list"),
        ({"metrics": {"time": {"better": "faster"}}}, "metrics.time.better: str 'faster', expected lower, higher"),
    ],
)
def test_a_description_of_the_wrong_kind_is_refused_with_the_key(
    parent: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(UnreadableRun, match=r"run\.json") as refusal:
        write_report(write_run(parent, FEW, [], **changes))
    assert told in str(refusal.value)


@pytest.mark.parametrize("key", sorted(synthetic.description()))
def test_a_description_that_lacks_a_key_still_makes_a_report(parent: Path, key: str) -> None:
    folder = write_run(parent, FEW, [])
    whole = json.loads(folder.run_json.read_text())
    del whole[key]
    folder.run_json.write_text(json.dumps(whole))
    assert "<main>" in write_report(folder).read_text(encoding="utf-8")
    assert summary_lines(folder)


def test_curves_of_two_lengths_are_refused(parent: Path) -> None:
    folder = write_run(parent, FEW, [])
    line = next(synthetic.curves()).to_json("r") | {"x": [1.0, 2.0], "y": [None]}
    folder.series_jsonl.write_text(json.dumps(line) + "\n")
    with pytest.raises(UnreadableRun, match=r"series.jsonl:1: 2 values of x and 1 of y"):
        write_report(folder)


def test_bytes_that_are_no_text_are_refused(parent: Path) -> None:
    folder = write_run(parent, FEW, [])
    folder.records_jsonl.write_bytes(b"\xff\xfe\n")
    with pytest.raises(UnreadableRun, match=r"records.jsonl"):
        summary_lines(folder)


def test_the_collector_of_garbage_is_left_as_it_was(parent: Path) -> None:
    before = gc.get_threshold()
    write_report(write_run(parent, FEW, []))
    broken = write_run(parent / "broken", FEW, [], complete="yes")
    with pytest.raises(UnreadableRun):
        write_report(broken)
    assert gc.get_threshold() == before
