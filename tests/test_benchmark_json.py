from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from gradgauge.benchmark_json import write_benchmark_json
from tests.fakes import python, read_json


def entry(name: str, *rounds_s: float) -> dict[str, Any]:
    mean = sum(rounds_s) / len(rounds_s)
    stats: dict[str, Any] = dict.fromkeys(
        ("iqr", "q1", "q3", "iqr_outliers", "stddev_outliers", "ld15iqr", "hd15iqr", "stddev"), 0.0
    )
    stats |= {"min": min(rounds_s), "max": max(rounds_s), "mean": mean, "median": mean, "ops": 1 / mean}
    stats |= {
        "rounds": len(rounds_s),
        "total": sum(rounds_s),
        "iterations": 3,
        "data": list(rounds_s),
        "outliers": "0;0",
    }
    keys: dict[str, Any] = {
        "group": "g",
        "name": name,
        "fullname": name,
        "params": None,
        "param": name,
        "extra_info": {},
        "options": {},
    }
    return {**keys, "stats": stats}


def test_without_entries_there_is_no_file(tmp_path: Path) -> None:
    write_benchmark_json(tmp_path / "benchmark.json", [])
    assert list(tmp_path.iterdir()) == []


def test_the_entries_stand_as_given_beside_machine_and_version(tmp_path: Path) -> None:
    entries = [entry("a", 1.0, 2.0), entry("b", 3.0)]
    write_benchmark_json(tmp_path / "benchmark.json", entries)
    document = read_json(tmp_path / "benchmark.json")
    assert document["benchmarks"] == entries
    assert set(document) == {"machine_info", "commit_info", "benchmarks", "datetime", "version"}
    assert document["machine_info"]["python_version"]


def test_a_figure_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        write_benchmark_json(tmp_path / "benchmark.json", [{"stats": {"median": math.nan}}])


@pytest.mark.slow
def test_pytest_benchmark_compare_prints_a_table(tmp_path: Path) -> None:
    file = tmp_path / "benchmark.json"
    write_benchmark_json(file, [entry("first", 1.0, 2.0), entry("second", 3.0, 3.0)])
    done = python("-m", "pytest_benchmark", "compare", str(file), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "first" in done.stdout
    assert "second" in done.stdout
    assert "Median" in done.stdout
