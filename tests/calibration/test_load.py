from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from calibration import load
from calibration.bursts import Load
from calibration.figures import Problem
from calibration.running import Bench
from gradgauge.cases import Case
from gradgauge.records import Record
from tests.calibration.building import USUAL, a_key, a_record, a_run

Times = Mapping[str, float | None]


def records_of(times: Times, labels: Mapping[str, str]) -> list[Record]:
    """Return times and speedups of techniques of one block, over a reference of one second."""
    found = []
    for name, time_s in times.items():
        key = a_key(name, labels)
        found.append(a_record(key, "time", time_s, "measured" if time_s else "fail"))
        found.append(a_record(key, "speedup", 1 / time_s if time_s else None, "measured" if time_s else "fail"))
    return found


class World:
    """Stands for what `load` starts; the loaded run and the plain ones see what the test plants."""

    def __init__(self, quiet: Times, loaded: Times, plain_quiet: Times, plain_loaded: Times) -> None:
        self.times = {"quiet": quiet, "loaded": loaded, "plain-quiet": plain_quiet, "plain-loaded": plain_loaded}
        self.under_load = False
        self.asked: list[tuple[str, bool]] = []
        self.max_times_s: list[float] = []

    def bench(self, arguments: Sequence[str], results: Path) -> Bench:
        self.asked.append((results.name, self.under_load))
        assert list(arguments[:4]) == ["--suite", "speed", "--device", "cpu"]
        folder = a_run(results, records_of(self.times[results.name], USUAL))
        stats = {"median": 1.0, "total": 0.5, "iterations": 8}
        folder.benchmark_json.write_text(json.dumps({"benchmarks": [{"stats": stats}]}), encoding="utf-8")
        return Bench(folder, 10.0)

    def run_plain(self, cases: Sequence[Case], seed: int, max_time_s: float, output: Path) -> float:
        self.asked.append((output.stem, self.under_load))
        self.max_times_s.append(max_time_s)
        times = self.times[output.stem]
        entries = [
            {"extra_info": case.to_json(), "stats": {"median": times[case.implementation]}}
            for case in cases
            if case.implementation in times
        ]
        output.write_text(json.dumps({"benchmarks": entries}), encoding="utf-8")
        return 20.0

    @contextmanager
    def bursts(self, on_s: float, off_s: float) -> Iterator[Load]:
        load_ = Load(None, cpu_s=3.0)  # type: ignore[arg-type]  # nobody asks for its process
        self.under_load = True
        yield load_
        self.under_load = False


def run(world: World, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    for name in ("bench", "run_plain", "bursts"):
        monkeypatch.setattr(load, name, getattr(world, name))
    monkeypatch.setattr("sys.argv", ["load", *arguments])
    load.main()


def test_planted_reversals_are_found_where_they_were_planted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = {"a": 1.0, "b": 2.0, "c": 4.0, "d": None}
    world = World(quiet, {"a": 2.0, "b": 3.0, "c": 2.5, "d": None}, quiet, {"a": 8.0, "b": 7.0})
    output = tmp_path / "answer.json"
    run(world, monkeypatch, "--results", str(tmp_path / "results"), "--output", str(output))
    assert world.asked == [("quiet", False), ("loaded", True), ("plain-quiet", False), ("plain-loaded", True)]
    # 0.5 s a call at 8 calls, over the three cases that have a time.
    assert world.max_times_s == [pytest.approx(4 / 3)] * 2
    answer = json.loads(output.read_text(encoding="utf-8"))
    time, speedup, plain = answer["comparisons"]
    for found in (time, speedup):
        (pair,) = found["changed"]
        assert (pair["faster"], pair["slower"]) == ("b · eager", "c · eager")
        assert (found["pairs"], found["missing"], found["clear"]) == (3, 3, 3)
    (pair,) = plain["changed"]
    assert (pair["faster"], pair["slower"], pair["quiet"]) == ("a · eager", "b · eager", 2.0)
    assert (plain["pairs"], plain["missing"], plain["clear"]) == (1, 5, 1)
    assert answer["left_out"] == 1
    printed = capsys.readouterr().out
    assert "| gradgauge | speedup | 3 | 3 | 1 (33.3 %) | 3 |" in printed
    assert "c · eager / b · eager = 2.000 in quiet, 0.833 under load" in printed

    run(world, monkeypatch, "--results", str(tmp_path / "results"), "--compare-only")
    assert capsys.readouterr().out == printed
    assert len(world.asked) == 4


def test_where_nothing_changes_nothing_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = {"a": 1.0, "b": 2.0}
    run(World(times, times, times, times), monkeypatch, "--total-seconds", "5", "--results", str(tmp_path))
    printed = capsys.readouterr().out
    assert "Pairs that changed order" not in printed
    assert "| plain pytest-benchmark | time | 1 | 1 | 0 (0.0 %) | 0 |" in printed
    assert json.loads((tmp_path / load.MEASURED).read_text(encoding="utf-8"))["plain_max_time_s"] == 2.5


def test_a_quiet_run_without_times_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = {"a": None}
    with pytest.raises(Problem, match="measured nothing"):
        run(World(nothing, nothing, nothing, nothing), monkeypatch, "--results", str(tmp_path))


def test_comparing_alone_takes_a_finished_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Problem, match="holds no finished measurement"):
        run(World({}, {}, {}, {}), monkeypatch, "--results", str(tmp_path), "--compare-only")
    with pytest.raises(SystemExit):
        load.parse(["--compare-only"])


def test_ternary_activation_is_asked_about_unless_another_function_is_named() -> None:
    assert load.parse([]).function == ["ternary_activation"]
    assert load.parse(["--function", "relu"]).function == ["relu"]
