from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from calibration import page_speed, report_scale
from calibration.figures import Problem
from calibration.page_speed import PageSpeed
from calibration.report_scale import Report, figures_of, markdown, parse, read_stages, write_report
from calibration.report_stages import Stage, stages_of
from calibration.running import command
from calibration.scaled_run import write_scaled
from gradgauge.cases import Case
from gradgauge.records import Record, Series, Verdict
from gradgauge.report.data import RunData
from gradgauge.runs import RunFolder
from tests.report import synthetic

NOBODY = Case("", "", "", "", "cpu", "", "")
RECORDS = [
    Record("machine", NOBODY, "peak_bandwidth", 1.0, "byte/s", Verdict.MEASURED),
    *(synthetic.timed(synthetic.case("relu", "where/eager", "forward", shape), 1e-3) for shape in ("4x4", "8x8")),
]

FILTER = '<form id="filters"><select name="function"><option>a<option>b<option>c</select></form>'
READY = "<script>document.documentElement.dataset.ready = 'yes'</script>"


@pytest.fixture
def like(tmp_path: Path) -> RunFolder:
    """Return a run of three records, one of which belongs to no function."""
    curve = Series(synthetic.case("relu", "where/eager", "forward", "4x4"), "value", (0.0, 1.0), (0.0, 1.0))
    drift = Series(NOBODY, "control", (0.0,), (1.0,))
    catalog = {"functions": {"relu": synthetic.catalog()["functions"]["relu"]}}
    planned = [{"suite": "speed", **RECORDS[1].case.to_json()}]
    return synthetic.write_run(tmp_path / "like", RECORDS, [curve, drift], catalog=catalog, planned=planned)


# Two records a copy and one that belongs to no function: six need three copies, the last of them half.
def test_the_large_run_has_as_many_records_as_asked_for_and_each_copy_all_that_is_its_own(
    like: RunFolder, tmp_path: Path
) -> None:
    run = RunData.load(write_scaled(like, 6, tmp_path / "large"))
    names = ["relu", "relu_1", "relu_2"]
    assert [record.case.function for record in run.records] == ["", "relu", "relu", "relu_1", "relu_1", "relu_2"]
    assert list(run.description.functions) == names
    assert [series.case.function for series in run.series] == ["relu", "", "relu_1", "relu_2"]
    assert [cell.case.function for cell in run.description.planned] == names


def test_of_a_run_without_functions_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="holds no record of a function"):
        write_scaled(synthetic.write_run(tmp_path, RECORDS[:1], []), 10, tmp_path / "large")


def test_each_part_of_a_report_is_timed_and_what_stands_in_the_page_is_counted(like: RunFolder) -> None:
    found = {stage.name: stage for stage in stages_of(like)}
    assert list(found)[:2] == ["read the folder", "the table of records"]
    assert list(found)[-2:] == ["all drawings", "the rest: blocks into HTML"]
    assert all(stage.seconds >= 0 for stage in found.values())
    assert found["times"].figures == 1
    assert found["times"].html_bytes
    assert found["training"].figures is None


def test_the_command_and_its_stages_run_in_processes_of_their_own(like: RunFolder) -> None:
    report = write_report(like)
    assert report.page_bytes == like.report_html.stat().st_size
    assert report.wall_s > 0
    assert 2**25 < report.peak_bytes < 2**34
    assert {stage.name for stage in read_stages(like)} >= {"times", "all drawings"}


def test_a_run_that_cannot_be_read_is_said_to_be(like: RunFolder) -> None:
    like.records_jsonl.write_text("{}\n", encoding="utf-8")
    with pytest.raises(Problem, match=r"ended with status 2: .*records\.jsonl:1: verdict: missing"):
        write_report(like)


def test_the_answer_puts_goals_beside_figures() -> None:
    figures = figures_of(Report(7.25, 2**29, 5_400_000), PageSpeed(0.3, 1.9, 0.15))
    assert figures == {
        "gradgauge report, s": 7.25,
        "peak memory, GiB": 0.5,
        "page, MB": 5.4,
        "first paint, s": 0.3,
        "filter, ms": 150.0,
        "filter with all unfolded, ms": None,
    }
    text = markdown(100_000, figures, [Stage("times", 0.5, 3, 12_000), Stage("training", 0.25)], "A remark.")
    assert "A report over 100,000 records" in text
    assert "| gradgauge report, s | 7.25 | ≤ 10 |" in text
    assert "| filter, ms | 150.0 | ≤ 200 |" in text
    assert "| filter with all unfolded, ms | – | ≤ 200 |" in text
    assert "| times | 0.50 | 3 | 12 |" in text
    assert "| training | 0.25 |  |  |" in text
    assert "| all | 0.75 |  |  |" in text
    assert text.endswith("A remark.")


def test_without_a_browser_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    speed, remark = page_speed.page_speed(tmp_path / "report.html")
    assert speed == PageSpeed()
    assert remark.startswith("Not opened in a browser: none of chromium,")


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, page_speed.BROWSERS)), reason="no browser is on the PATH")
@pytest.mark.parametrize(
    ("body", "known", "remark"),
    [
        ("", (True, False, False), "never said that its scripts were done"),
        (FILTER + READY, (True, True, True), "The page was ready after"),
        (READY, (True, True, False), "It has no filter"),
    ],
)
def test_a_page_is_timed_as_far_as_it_goes(
    tmp_path: Path, body: str, known: tuple[bool, bool, bool], remark: str
) -> None:
    file = tmp_path / "page.html"
    file.write_text(f"<!doctype html><title>x</title><p>words</p>{body}", encoding="utf-8")
    speed, said = page_speed.page_speed(file)
    measured = (speed.first_paint_s, speed.ready_s, speed.filter_s)
    assert tuple(figure is not None for figure in measured) == known
    assert (speed.unfolded_filter_s is not None) == known[2]
    assert remark in said


def test_fewer_than_one_record_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse(["--records", "0"])
    assert end.value.code == 2
    assert "--records 0: at least 1 is needed" in capsys.readouterr().err


def test_the_script_prints_its_answer_and_ends_with_0(
    like: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "answer.json"
    arguments = ["report_scale", "--like", str(like.path), "--records", "6", "--output", str(output)]
    monkeypatch.setattr("sys.argv", arguments)
    monkeypatch.setattr(report_scale, "page_speed", lambda file: (PageSpeed(0.25), f"opened {file.name}"))
    assert command(report_scale.main) == 0
    said = capsys.readouterr().out
    assert "A report over 6 records" in said
    assert "| first paint, s | 0.25 | ≤ 2 |" in said
    assert "opened report.html" in said
    answer = json.loads(output.read_text(encoding="utf-8"))
    assert (answer["records"], answer["goals"]["page, MB"]) == (6, 10.0)
