"""The plugin: a case is collected once, filed whatever happens, and nothing of the caller's pytest gets in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradgauge import catalog
from gradgauge.plugin import Disagreed
from gradgauge.runs import RunFolder
from tests.fakes import ROOT, Measured, a_job, measure_here, python, write_function

SUITE_PY = """
from gradgauge.grid import Suite, Sweep
from gradgauge.records import Metric

FIRST = Metric("first", "s", "lower", exact=True)
SECOND = Metric("second", "byte", "lower", exact=True)
SWEEPS = {{name: (Sweep(("forward",), modes=("eager",)),) for name in ("quick", "full")}}
SUITE = Suite("Does it?", (FIRST, SECOND), SWEEPS, order={order})

def test_it(gauge):
    {body}
"""

Run = Callable[..., Measured]


@pytest.fixture
def run(tmp_path: Path, folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that measures `twice` with suites of the given bodies."""

    def measure(bodies: dict[str, str], **fields: Any) -> Measured:
        write_function(tmp_path / "implementations")
        (tmp_path / "suites").mkdir()
        for order, (name, body) in enumerate(bodies.items()):
            text = SUITE_PY.format(body=body, order=order)
            (tmp_path / "suites" / f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.setattr(catalog, "PACKAGE", tmp_path / "gradgauge")
        return measure_here(folder, a_job(folder, {"devices": ("cpu",)}, **fields))

    return measure


def items(measured: Measured) -> list[tuple[str, str]]:
    return [(event["suite"], event["outcome"]) for event in measured.events if event["event"] == "item"]


def test_what_a_suite_records_is_filed_and_the_case_is_done(run: Run) -> None:
    measured = run({"one": "gauge.record(FIRST, 1.5, 'measured'); gauge.record(SECOND, 2, 'measured')"})
    assert [(line["metric"], line["value"], line["suite"]) for line in measured.records] == [
        ("first", 1.5, "one"),
        ("second", 2, "one"),
    ]
    assert items(measured) == [("one", "done")]
    assert measured.status == 0
    assert [event["event"] for event in measured.events] == ["loading", "planned", "item"]


def test_a_suite_that_raises_files_a_fail_record_and_the_rest_runs(run: Run) -> None:
    measured = run({"bad": "raise RuntimeError('no idea')", "good": "gauge.record(FIRST, 1.0, 'measured')"})
    bad, good = measured.records
    assert (bad["suite"], bad["metric"], bad["verdict"], bad["value"]) == ("bad", "first", "fail", None)
    assert bad["detail"] == "the suite raised RuntimeError: no idea"
    assert good["suite"] == "good"
    assert items(measured) == [("bad", "done"), ("good", "done")]


def test_records_stay_unique_where_a_suite_raises_after_its_first_metric(run: Run) -> None:
    measured = run({"bad": "gauge.record(FIRST, 1.0, 'measured'); raise RuntimeError('late')"})
    keys = [(line["metric"], str(line["labels"])) for line in measured.records]
    assert {line["verdict"] for line in measured.records} == {"measured", "fail"}
    assert len(set(keys)) == len(keys) == 2


def test_a_fixture_that_is_not_there_is_a_fail_record_too(run: Run) -> None:
    body = "pass\n\ndef test_more(gauge, no_such_fixture):\n    pass"
    measured = run({"one": body})
    assert [line["verdict"] for line in measured.records] == ["fail"]
    assert "no_such_fixture" in measured.records[0]["detail"]


def test_a_failing_verdict_is_filed_once_and_passes_for_pytest(run: Run) -> None:
    measured = run({"one": "gauge.record(FIRST, None, 'fail', 'off')"})
    (record,) = measured.records
    assert (record["verdict"], record["detail"]) == ("fail", "off")
    assert measured.status == 0


def test_suites_run_in_their_order_and_not_in_that_of_their_names(run: Run) -> None:
    body = "gauge.record(FIRST, 1.0, 'measured')"
    assert [line["suite"] for line in run({"z": body, "m": body, "a": body}).records] == ["z", "m", "a"]


def test_what_the_deadline_does_not_leave_time_for_is_left_out(run: Run) -> None:
    measured = run({"one": "gauge.record(FIRST, 1.0, 'measured')"}, limit_s=1.0, spent_s=2.0)
    assert measured.records == []
    assert items(measured) == [("one", "left out")]


def test_warnings_of_measured_code_are_no_errors(run: Run) -> None:
    body = "import warnings; warnings.warn('theirs'); gauge.record(FIRST, 1.0, 'measured')"
    assert [line["verdict"] for line in run({"one": body}).records] == ["measured"]


def test_a_test_of_a_suite_without_gauge_is_not_multiplied(run: Run) -> None:
    measured = run({"one": "gauge.record(FIRST, 1.0, 'measured')\n\ndef test_plain():\n    assert True"})
    assert len(measured.records) == 1
    assert measured.status == 0


def test_a_failing_test_of_a_suite_without_gauge_does_not_end_the_session(run: Run) -> None:
    body = "gauge.record(FIRST, 1.0, 'measured')"
    measured = run({"one": f"{body}\n\ndef test_plain():\n    assert 1 == 2", "two": body})
    assert [line["suite"] for line in measured.records] == ["one", "two"]
    assert measured.status == 1


def test_a_disagreement_says_every_detail_on_its_own_line() -> None:
    assert str(Disagreed("a: off", "b: nan")) == "a: off\nb: nan"


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["suites"], ["suites/gradients.py", "suites/memory.py", "suites/speed.py"]])
def test_pytest_on_the_suites_collects_each_case_once(arguments: list[str], tmp_path: Path) -> None:
    done = python("-m", "pytest", *arguments, "--collect-only", "-q", "-p", "no:cacheprovider", cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    found = [line for line in done.stdout.splitlines() if "::" in line]
    assert len(found) == len(set(found))
    for suite in ("gradients", "memory", "speed"):
        assert [line for line in found if f"{suite}.py::test_{suite}[relu-where-eager-" in line]


@pytest.mark.slow
def test_pytest_runs_the_suites_by_itself_and_files_nothing(tmp_path: Path) -> None:
    before = {file.name for file in (ROOT / "results").iterdir()}
    chosen = "test_gradients and relu-where-eager and cpu-float16"
    done = python("-m", "pytest", "suites", "-q", "-p", "no:cacheprovider", "-k", chosen, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert {file.name for file in (ROOT / "results").iterdir()} == before


def test_a_disagreement_fails_the_item_where_nothing_is_filed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_function(tmp_path / "implementations")
    (tmp_path / "suites").mkdir()
    text = SUITE_PY.format(body="gauge.record(FIRST, 1.0, 'fail', 'far off')", order=1)
    (tmp_path / "suites" / "one.py").write_text(text, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    monkeypatch.setattr(catalog, "PACKAGE", tmp_path / "gradgauge")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    reports: list[str] = []

    class Listener:
        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            reports.append(f"{report.when} {report.outcome} {report.longreprtext}")

    own = ["-c", str(tmp_path / "pytest.ini"), "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
    status = pytest.main([*own, "-p", "gradgauge.plugin", "-q", str(tmp_path / "suites")], plugins=[Listener()])
    assert status == 1
    assert [report for report in reports if "failed" in report and "first: far off" in report]
