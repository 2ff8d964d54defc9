from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibration import reproducibility
from calibration.figures import Figure, Problem
from calibration.reproducibility import Spreads, groups_of, open_runs, spreads_of, summarize
from calibration.running import Bench
from gradgauge.runs import UnreadableRun
from tests.calibration.building import a_key, a_record, a_run

A, B = a_key("a"), a_key("b", shape="16x16")
BASE = a_key("reference")


def test_a_spread_is_the_largest_over_the_smallest() -> None:
    runs = [{A: Figure(2.0)}, {A: Figure(1.0, verdict="noisy")}, {A: Figure(3.0)}]
    (spread,) = spreads_of(runs).found
    assert (spread.key, spread.ratio, spread.verdicts) == (A, 3.0, ("measured", "noisy", "measured"))


def test_a_case_missing_in_some_run_is_counted_and_not_a_zero() -> None:
    runs = [{A: Figure(2.0), B: Figure(1.0)}, {A: Figure(None, verdict="crashed"), B: Figure(1.0)}, {B: Figure(1.5)}]
    spreads = spreads_of(runs)
    assert [(spread.key, spread.ratio) for spread in spreads.found] == [(B, 1.5)]
    assert spreads.missing == (A,)


def test_a_case_that_no_run_has_a_figure_of_is_nobodys_spread() -> None:
    assert spreads_of([{A: Figure(None)}, {A: Figure(None)}]) == Spreads((), ())


def test_what_speedups_refer_to_is_left_out_and_its_compiled_form_is_not() -> None:
    compiled = a_key("reference", mode="compiled")
    runs = [{BASE: Figure(1.0), compiled: Figure(1.0)}, {BASE: Figure(1.0), compiled: Figure(2.0)}]
    assert [spread.key for spread in spreads_of(runs).found] == [compiled]


def test_steady_and_noisy_cases_and_shapes_are_told_apart() -> None:
    passed = a_key("c")
    runs = [
        {A: Figure(1.0), B: Figure(1.0, verdict="noisy"), passed: Figure(1.0, verdict="pass")},
        {A: Figure(1.0), B: Figure(1.0), passed: Figure(1.0)},
    ]
    groups = {name: [spread.key for spread in group] for name, group in groups_of(spreads_of(runs).found).items()}
    assert groups == {
        "all cases": [A, B, passed],
        "measured in every run": [A],
        "noisy in some run": [B],
        "shape 8x8": [A, passed],
        "shape 16x16": [B],
    }


def test_a_summary_is_computed_by_hand() -> None:
    keys = [a_key(name) for name in "abcde"]
    runs = [dict.fromkeys(keys, Figure(1.0)), {key: Figure(1.0 + index) for index, key in enumerate(keys)}]
    summary = summarize(spreads_of(runs).found)
    # Spreads 1 to 5: the median is 3, and place 0.95 · 4 = 3.8 lies between 4 and 5.
    assert (summary.cases, summary.median, summary.largest) == (5, 3.0, 5.0)
    assert summary.percentile_95 == pytest.approx(4.8)
    assert summarize([]) == reproducibility.Summary(0, None, None, None)


def test_runs_are_two_at_least_and_no_run_is_given_twice(tmp_path: Path) -> None:
    one, other = a_run(tmp_path, []), a_run(tmp_path, [])
    one.link_as_latest()
    assert open_runs([one.path, other.path]) == [one, other]
    with pytest.raises(Problem, match=f"the run {one.run_id} is given twice"):
        open_runs([one.path, tmp_path / "runs" / "latest"])
    with pytest.raises(Problem, match="two runs at least, 1 given"):
        open_runs([one.path])
    with pytest.raises(UnreadableRun):
        open_runs([tmp_path, one.path])


@pytest.mark.parametrize("arguments", [[], ["run", "run", "--runs", "2"], ["--runs", "1"]])
def test_runs_are_either_named_or_made(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        reproducibility.parse(arguments)


def test_the_answer_comes_from_runs_that_are_made_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times_s = iter([1.0, 1.5])

    def bench(arguments: list[str], results: Path) -> Bench:
        assert arguments == ["--preset", "quick"]
        time_s = next(times_s)
        records = [a_record(A, "time", time_s), a_record(A, "speedup", 2.0), a_record(B, "time", None, "crashed")]
        return Bench(a_run(results, records), 1.0)

    monkeypatch.setattr(reproducibility, "bench", bench)
    output = tmp_path / "answer.json"
    monkeypatch.setattr("sys.argv", ["x", "--runs", "2", "--preset", "quick", "--output", str(output)])
    reproducibility.main()
    printed = capsys.readouterr().out
    assert "| speedup | all cases | 1 | 0.0 % | 0.0 % | 0.0 % |" in printed
    assert "| time | all cases | 1 | 50.0 % | 50.0 % | 50.0 % |" in printed
    assert "| time | noisy in some run | 0 | – | – | – |" in printed
    answer = json.loads(output.read_text(encoding="utf-8"))
    assert answer["summaries"]["time"]["all cases"]["median"] == 1.5
    assert answer["summaries"]["time"]["noisy in some run"]["median"] is None


def test_runs_without_a_common_case_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [a_run(tmp_path, [a_record(key, "time", 1.0)]).path for key in (A, B)]
    monkeypatch.setattr("sys.argv", ["x", *map(str, runs)])
    with pytest.raises(Problem, match="no case has a time in every one"):
        reproducibility.main()
