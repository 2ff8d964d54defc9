"""The same cases as pytest-benchmark's users compare them: one session after the other, median against median.

Run by pytest as a test file in a process of its own; `gate.calibration` starts it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from gradgauge.cases import Case
from gradgauge.gate.pair_job import PairJob
from gradgauge.lifeline import environment_of_child

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

JOB, CASES = "GRADGAUGE_PEER_JOB", "GRADGAUGE_PEER_CASES"
RULE = "median:5%"
SHARE = 0.05


class PeerFailed(Exception):
    """A session of pytest-benchmark that did not run to its end; the message is its last line."""


def medians(job: PairJob, cases: Sequence[Case]) -> dict[str, float]:
    """Return slug → median seconds a call, from one session of pytest-benchmark with its own defaults."""
    with TemporaryDirectory(prefix="gradgauge-peer-") as folder:
        file, out = Path(folder) / "job.json", Path(folder) / "out.json"
        job.write(file)
        told = json.dumps([case.to_json() for case in cases])
        variables = environment_of_child() | {JOB: str(file), CASES: told, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        options = [
            "-q",
            "-c",
            os.devnull,
            "--rootdir",
            folder,
            "-p",
            "no:cacheprovider",
            "-p",
            "pytest_benchmark.plugin",
        ]
        command = [sys.executable, "-m", "pytest", *options, f"--benchmark-json={out}", str(Path(__file__))]
        done = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=folder, check=False)
        if done.returncode or not out.is_file():
            raise PeerFailed((done.stdout.strip().splitlines() or [f"status {done.returncode}"])[-1])
        entries = json.loads(out.read_text(encoding="utf-8"))["benchmarks"]
    return {entry["param"]: entry["stats"]["median"] for entry in entries}


def alarms(before: dict[str, float], after: dict[str, float]) -> int:
    """Return how many cases pytest-benchmark's rule `--benchmark-compare-fail=median:5%` calls slower."""
    return sum(after[slug] / before[slug] - 1 > SHARE for slug in before)


def _cases() -> list[Case]:
    return [Case.from_json(keys) for keys in json.loads(os.environ.get(CASES, "[]"))]


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case.slug)
def test_case(case: Case, benchmark: BenchmarkFixture) -> None:
    """Time one pass of a case, warmed up, as somebody who knows pytest-benchmark would."""
    from gradgauge.gate.pairing import Revisions
    from gradgauge.passes import pass_of

    job = PairJob.read(Path(os.environ[JOB]))
    pass_ = pass_of(Revisions.load(job).subjects(case)[1])
    for _ in range(3):
        pass_.call()
    benchmark(pass_.call)
