from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibration import timers
from calibration.timers import Comparison, compare, markdown


def told(order: list[str], name: str, *seconds: float) -> object:
    readings = iter(seconds)

    def measure() -> float:
        order.append(name)
        return next(readings)

    return measure


def test_the_ratio_is_that_of_neighbours_and_the_order_alternates() -> None:
    order: list[str] = []
    ours, theirs = told(order, "ours", 1.0, 10.0, 3.0), told(order, "theirs", 2.0, 10.0, 2.0)
    found = compare("relu", "Timer", ours, theirs, turns=3)  # type: ignore[arg-type]
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert found == Comparison("relu", "Timer", ours_s=3.0, theirs_s=2.0, ratio=1.0)  # of 0.5, 1 and 1.5


@pytest.mark.parametrize(("ratio", "agrees"), [(0.949, False), (0.95, True), (1.05, True), (1.051, False)])
def test_a_ratio_agrees_within_five_percent(ratio: float, agrees: bool) -> None:
    one = Comparison("relu", "Timer", 1.0, 1.0, ratio)
    assert one.agrees is agrees
    assert ("outside" in markdown([one])) is not agrees


@pytest.mark.parametrize(("outside", "status"), [(0, 0), (1, 0), (2, 1)])
def test_eleven_of_twelve_must_agree(
    outside: int, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [Comparison("relu", "Timer", 1.0, 1.0, 2.0 if index < outside else 1.0) for index in range(12)]
    monkeypatch.setattr(timers, "comparisons", lambda device, seconds, turns: iter(found))
    file = tmp_path / "timers.json"
    assert timers.main(["--device", "cpu", "--output", str(file)]) == status
    assert f"{12 - outside} of 12 within" in capsys.readouterr().out
    assert len(json.loads(file.read_text(encoding="utf-8"))["found"]) == 12


@pytest.mark.slow
def test_either_side_measures_real_calls() -> None:
    first = next(timers.comparisons("cpu", seconds=0.01, turns=1))
    assert first.ours_s > 0
    assert first.theirs_s > 0
