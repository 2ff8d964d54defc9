"""Run the same cases as plain pytest-benchmark tests, one after the other, in a pytest process of their own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calibration.figures import Key, Problem, positive
from calibration.running import child_environment
from gradgauge.cases import Case

TESTS = Path(__file__).with_name("plain_benchmark.py")


def run_plain(cases: Sequence[Case], seed: int, max_time_s: float, output: Path) -> float:
    """Time the cases for about `max_time_s` each, leave pytest-benchmark's JSON in `output`, return the wall seconds.

    A test that fails costs only itself. Raises Problem where pytest did not come to its end.
    """
    plan = {"cases": [case.to_json() for case in cases], "seed": seed, "max_time_s": max_time_s}
    with tempfile.TemporaryDirectory(prefix="gradgauge-plain-") as scratch:
        folder = Path(scratch)
        shutil.copy(TESTS, folder / "test_plain.py")
        (folder / "cases.json").write_text(json.dumps(plan), encoding="utf-8")
        # Of its own, so that nobody else's configuration counts.
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        options = [f"--benchmark-json={output.resolve()}", f"--benchmark-max-time={max_time_s}", "--benchmark-quiet"]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)]
        started = time.monotonic()
        done = subprocess.run(command, cwd=folder, env=child_environment(), stdout=sys.stderr, check=False)
        wall_s = time.monotonic() - started
    if done.returncode not in (0, 1) or not output.is_file():
        raise Problem(f"plain pytest ended with status {done.returncode}: its output stands above")
    return wall_s


def plain_costs(document: Mapping[str, Any], keys: Iterable[Key]) -> dict[Key, float | None]:
    """Return the median seconds of each key's case in pytest-benchmark's document; None where it has none."""
    medians = {
        Case.from_json(entry["extra_info"]): positive(entry["stats"]["median"]) for entry in document["benchmarks"]
    }
    return {key: medians.get(key.case) for key in keys}


def timed_seconds(document: Mapping[str, Any]) -> float:
    """Return the seconds that all rounds of pytest-benchmark's document took together; it stores them a call."""
    total: float = sum(entry["stats"]["total"] * entry["stats"]["iterations"] for entry in document["benchmarks"])
    return total
