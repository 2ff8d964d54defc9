from __future__ import annotations

import argparse
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from calibration import running
from calibration.figures import Problem
from calibration.running import add_bench_options, bench, bench_arguments, child_environment, command, results_folder
from tests.calibration.building import a_run


def test_options_are_handed_on_as_they_were_given() -> None:
    parser = argparse.ArgumentParser()
    add_bench_options(parser)
    given = ["--preset", "quick", "--limit", "none", "--function", "relu", "--pass", "forward", "--pass", "backward"]
    assert bench_arguments(parser.parse_args(given)) == given
    assert bench_arguments(parser.parse_args([])) == ["--preset", "standard"]


class FakeBench:
    """Stands for the process: leaves runs and a status."""

    def __init__(self, status: int = 0, runs: int = 1, *, complete: bool = True) -> None:
        self.status, self.runs, self.complete = status, runs, complete

    def __call__(self, arguments: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        for _run in range(self.runs):
            folder = a_run(Path(arguments[-1]), [], complete=self.complete)
            folder.link_as_latest()
        return subprocess.CompletedProcess(arguments, self.status)


@pytest.mark.parametrize("status", [0, 1])
def test_a_run_is_the_folder_that_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    old = a_run(tmp_path, [])
    monkeypatch.setattr(subprocess, "run", FakeBench(status))
    made = bench(["--preset", "quick"], tmp_path)
    assert made.folder.path.parent == tmp_path / "runs"
    assert made.folder.path != old.path
    assert made.wall_s >= 0


@pytest.mark.parametrize(
    ("fake", "message"),
    [
        (FakeBench(status=2, runs=0), "`gradgauge bench --function x` ended with status 2 and left 0 runs"),
        (FakeBench(status=130), "status 130"),
        (FakeBench(runs=2), "left 2 runs"),
        (FakeBench(complete=False), "did not come to its end"),
    ],
)
def test_what_left_no_complete_run_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: FakeBench, message: str
) -> None:
    monkeypatch.setattr(subprocess, "run", fake)
    with pytest.raises(Problem, match=message):
        bench(["--function", "x"], tmp_path)


def test_children_find_this_checkout_and_no_options_of_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-x")
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    environment = child_environment()
    assert "PYTEST_ADDOPTS" not in environment
    assert environment["PYTHONPATH"].split(":" if ":" in environment["PYTHONPATH"] else ";")[-1] == "elsewhere"
    assert environment["PYTHONPATH"].startswith(str(running.ROOT))


def test_a_given_folder_stays_and_a_temporary_one_does_not(tmp_path: Path) -> None:
    with results_folder(tmp_path / "given") as given:
        pass
    assert given.is_dir()
    with results_folder(None) as scratch:
        assert scratch.is_dir()
    assert not scratch.exists()


def test_a_problem_and_an_interrupt_have_statuses_of_their_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handled: list[int] = []
    monkeypatch.setattr(signal, "signal", lambda number, _: handled.append(number))

    def problem() -> None:
        raise Problem("no such thing")

    def interrupt() -> None:
        raise KeyboardInterrupt

    assert [command(main) for main in (lambda: None, problem, interrupt)] == [0, 2, 130]
    assert capsys.readouterr().err == "no such thing\n"
    assert handled == [signal.SIGTERM] * 3
