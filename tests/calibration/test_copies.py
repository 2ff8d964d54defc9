from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibration import copies
from calibration.copies import gap_between, groups_of, original_of, pairs_of, summarize, write_copies
from calibration.figures import Figure, Problem
from calibration.running import Bench
from gradgauge.catalog import builtin_folder, load, scan
from tests.calibration.building import a_key, a_record, a_run
from tests.fakes import a_case


def test_copies_are_verbatim_and_load_beside_the_function(tmp_path: Path) -> None:
    file = tmp_path / "where.py"
    file.write_text("# the code\n", encoding="utf-8")
    write_copies({"where": file}, "relu", 2, tmp_path / "mine")
    written = sorted((tmp_path / "mine" / "relu").iterdir())
    assert [path.name for path in written] == ["where_copy1.py", "where_copy2.py"]
    assert {path.read_text(encoding="utf-8") for path in written} == {"# the code\n"}


def test_copies_of_the_built_in_techniques_load(tmp_path: Path) -> None:
    roots = [builtin_folder("implementations")]
    write_copies(scan(roots)[0]["relu"].techniques, "relu", 2, tmp_path)
    catalog = load([*roots, tmp_path], ("relu",))
    assert not catalog.broken
    assert {"reference", "reference_copy1", "reference_copy2"} <= set(catalog.functions["relu"].implementations)


def test_a_copy_knows_its_original() -> None:
    assert original_of(a_key("where_copy12")) == a_key("where")
    assert original_of(a_key("a_copy1_copy2")) == a_key("a_copy1")
    assert original_of(a_key("where")) is None
    assert original_of(a_key("copy1")) is None


# By hand: [1, 2] ends a tenth of 2 below [2.2, 3]; [1, 2] and [2, 3] touch; [1, 2] and [1.6, 3] share 0.4.
@pytest.mark.parametrize(("low", "high", "gap"), [(2.2, 3.0, 1.1), (2.0, 3.0, 1.0), (1.6, 3.0, 0.8)])
def test_the_gap_is_the_same_from_either_side(low: float, high: float, gap: float) -> None:
    one, other = Figure(1.5, 1.0, 2.0), Figure(2.5, low, high)
    assert gap_between(one, other) == gap_between(other, one) == pytest.approx(gap)


def test_without_an_interval_there_is_no_gap() -> None:
    assert gap_between(Figure(1.0), Figure(1.0, 0.5, 1.5)) is None
    assert gap_between(Figure(1.0, 0.5, 1.5), Figure(1.0, 0.5, None)) is None


def test_only_copies_of_one_technique_in_one_block_are_paired() -> None:
    figures = {
        a_key("reference"): Figure(1.0, 1.0, 1.0),
        a_key("a_copy1"): Figure(1.0, 0.9, 1.1),
        a_key("a_copy2"): Figure(2.0, 1.9, 2.1),
        a_key("a_copy3"): Figure(None, verdict="crashed"),
        a_key("b_copy1"): Figure(9.0, 9.0, 9.0),
        a_key("a_copy1", mode="compiled"): Figure(9.0, 9.0, 9.0),
        a_key("a_copy1", shape="9x9"): Figure(9.0, 9.0, 9.0),
    }
    (pair,), missing = pairs_of(figures)
    assert (pair.original, pair.ratio, pair.noisy, missing) == (a_key("a"), 2.0, False, 2)
    assert pair.gap == pytest.approx(1.9 / 1.1)


def test_a_summary_counts_what_each_margin_would_tell_apart() -> None:
    figures = {
        a_key("a_copy1"): Figure(1.0, 0.9, 1.0),
        a_key("a_copy2"): Figure(1.1, 1.03, 1.2),  # 3 % beyond the first
        a_key("a_copy3"): Figure(1.0, None, None, "noisy"),
    }
    pairs, _ = pairs_of(figures)
    summary = summarize(pairs)
    assert (summary.pairs, summary.without_interval) == (3, 2)
    assert summary.told_apart == {"1.00": 1, "1.01": 1, "1.02": 1, "1.05": 0, "1.10": 0}
    assert summary.largest_gap == pytest.approx(1.03)
    assert summary.median_ratio == pytest.approx(1.1)
    assert summary.percentile_95_ratio == pytest.approx(1.1)
    assert summary.largest_ratio == pytest.approx(1.1)
    groups = {name: len(group) for name, group in groups_of(pairs).items()}
    assert groups == {
        "all pairs": 3,
        "both measured": 1,
        "one noisy at least": 2,
        "mode eager": 3,
        "pass forward": 3,
        "shape 8x8": 3,
    }


def test_touching_intervals_are_not_apart() -> None:
    figures = {a_key("a_copy1"): Figure(1.0, 0.9, 1.0), a_key("a_copy2"): Figure(1.1, 1.0, 1.2)}
    assert summarize(pairs_of(figures)[0]).told_apart["1.00"] == 0


def test_a_summary_of_nothing_holds_no_zero_for_what_is_unknown() -> None:
    summary = summarize([])
    assert (summary.pairs, summary.largest_gap, summary.median_ratio, summary.largest_ratio) == (0, None, None, None)


def run(monkeypatch: pytest.MonkeyPatch, figures: dict[str, Figure], *arguments: str) -> None:
    def bench(given: list[str], results: Path) -> Bench:
        assert given[:6] == ["--preset", "standard", "--suite", "speed", "--function", "relu"]
        assert given[-3:-1] == ["--only-mine", "--implementations"]
        assert (Path(given[-1]) / "relu" / "where_copy2.py").is_file()
        records = [
            a_record(a_key(name), "speedup", figure.value, low=figure.low, high=figure.high)
            for name, figure in figures.items()
        ]
        planned = [record.case for record in records] + [a_case(implementation="late_copy1")]
        return Bench(a_run(results, records, planned), 1.0)

    monkeypatch.setattr(copies, "bench", bench)
    monkeypatch.setattr("sys.argv", ["x", "--function", "relu", "--copies", "2", *arguments])
    copies.main()


def test_the_answer_counts_copies_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = {"where_copy1": Figure(1.0, 0.9, 1.0), "where_copy2": Figure(1.1, 1.04, 1.2)}
    run(monkeypatch, figures, "--output", str(tmp_path / "answer.json"))
    printed = capsys.readouterr().out
    assert "The largest gap between the intervals of two copies is 4.0 %." in printed
    assert "Planned cases without a figure: 1." in printed
    answer = json.loads((tmp_path / "answer.json").read_text(encoding="utf-8"))
    assert answer["summaries"]["all pairs"]["told_apart"]["1.02"] == 1
    assert answer["summaries"]["all pairs"]["told_apart"]["1.05"] == 0


@pytest.mark.parametrize(
    ("low", "said"), [(0.95, "The intervals of all copies meet."), (None, "No pair has two intervals to compare.")]
)
def test_what_is_not_told_apart_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], low: float | None, said: str
) -> None:
    run(monkeypatch, {"where_copy1": Figure(1.0, 0.9, 1.0), "where_copy2": Figure(1.1, low, 1.2)})
    assert said in capsys.readouterr().out


def test_a_run_without_two_copies_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Problem, match="no two copies"):
        run(monkeypatch, {"where_copy1": Figure(1.0)})


def test_wrong_usage_names_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        copies.parse(["--copies", "1"])
    monkeypatch.setattr("sys.argv", ["x", "--function", "nope"])
    with pytest.raises(Problem, match="'nope' is not one of: multiply, relu, ternary_activation"):
        copies.main()
