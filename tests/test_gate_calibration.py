"""How the gate measures itself: its table from sessions that are known, and one small calibration for real."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gradgauge.gate.calibration import (
    CALIBRATION_JSONL,
    PLANTED,
    Calibration,
    Judged,
    SessionResult,
    _plants,
    _spread,
    calibration_lines,
    read_calibration,
)
from gradgauge.gate.findings import Outcome
from gradgauge.gate.peer import alarms
from gradgauge.gate.sequence import settings_for
from tests.fakes import a_case, python

SETTINGS = settings_for(3.0)


def judged(outcome: Outcome, planted: float = 0.0, rounds_s: float = 1.8) -> Judged:
    return Judged("a-case", planted, str(outcome), 1.0 + planted, 0.05, rounds_s)


def session(*found: Judged, peer_alarms: int | None = None) -> SessionResult:
    return SessionResult(found, 10.0, 5.0, 40.0, peer_alarms)


def rows(calibration: Calibration) -> dict[str, list[str]]:
    cells = [line.strip("| ").split(" | ") for line in calibration_lines(calibration) if line.startswith("| ")]
    return {first: rest for first, *rest in cells[1:]}


def test_the_table_counts_sessions_and_cases_with_their_intervals() -> None:
    calm, wrong = judged(Outcome.NO_REGRESSION), judged(Outcome.REGRESSION)
    late = judged(Outcome.REGRESSION, 0.1, rounds_s=5.1)
    planted = session(judged(Outcome.REGRESSION, 0.1), late, judged(Outcome.NO_REGRESSION, 0.1))
    open_ = judged(Outcome.CANNOT_TELL)
    found = rows(
        Calibration(SETTINGS, (session(calm, wrong, peer_alarms=2), session(calm, open_, peer_alarms=0), planted))
    )
    assert found["identical code: sessions with a false regression"] == ["50.0%", "1 of 2", "1.3% … 98.7%"]
    assert found["identical code: cases called a regression"][1] == "1 of 4"
    assert found["identical code: cases it could not tell"][1] == "1 of 4"
    assert found["pytest-benchmark, median:5%: sessions that fail"][1] == "1 of 2"
    assert found["pytest-benchmark, median:5%: cases called slower"][1] == "2 of 4"
    assert found["planted 10%: flagged"][1] == "2 of 3"
    assert found["planted 10%: flagged within 3 s of rounds"][1] == "1 of 3"
    assert found["planted 10%: called no regression"][1] == "1 of 3"
    assert not any(name.startswith("planted 3%") for name in found)


def test_the_figures_below_it_say_what_a_session_takes() -> None:
    lines = calibration_lines(Calibration(SETTINGS, (session(judged(Outcome.NO_REGRESSION)),)))
    assert "Tolerance 3%, at most 3 s of rounds a case, looks after 6, 10 processes of 0.3 s a case." in lines
    assert any("a session takes 40 s, of them 10 s of rounds (1.8 s a case) and 5 s" in line for line in lines)


def test_each_case_comes_to_have_each_slowdown() -> None:
    cases = [a_case(shape=str(size)) for size in range(1, 13)]
    had = [{_plants(cases, number)[case.slug] for number in range(len(PLANTED))} for case in cases]
    assert had == [set(PLANTED)] * 12


def test_cases_are_spread_over_the_plan() -> None:
    cases = [a_case(shape=str(size)) for size in range(1, 89)]
    chosen = _spread(cases)
    assert len(set(chosen)) == 12
    assert chosen[0] == cases[0]
    assert chosen[-1] in cases[80:]
    assert _spread(cases[:5]) == cases[:5]


def test_pytest_benchmarks_rule_is_five_percent_of_the_median() -> None:
    assert alarms({"a": 1.0, "b": 1.0, "c": 1.0}, {"a": 1.049, "b": 1.051, "c": 0.5}) == 1


@pytest.mark.slow
def test_a_calibration_for_real(tmp_path: Path) -> None:
    chosen = ("--function", "relu", "--implementation", "native", "--mode", "eager", "--pass", "inference")
    options = ("--preset", "quick", "--device", "cpu", "--budget", "0.6", "--calibrate", "1")
    done = python("-m", "gradgauge", "gate", *chosen, *options, cwd=tmp_path, timeout_s=400)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (tmp_path / "results" / "gates").iterdir()
    found = read_calibration([folder / CALIBRATION_JSONL], SETTINGS)
    identical, planted = found.sessions
    assert [len(each.judged) for each in found.sessions] == [1, 1]
    assert (identical.judged[0].planted, planted.judged[0].planted) == (0.0, PLANTED[0])
    assert identical.peer_alarms in (0, 1)
    assert planted.peer_alarms is None
    assert all(each.judged[0].ratio and 0.2 < each.judged[0].ratio < 5 for each in found.sessions)
    assert "identical code" in (folder / "calibration.md").read_text(encoding="utf-8")
    assert replace(found, sessions=(identical,)).identical == [identical]
