from __future__ import annotations

import doctest
from dataclasses import replace

import pytest

from gradgauge.cases import Case
from gradgauge.gate import ratio_plot as plots
from gradgauge.gate import words
from gradgauge.gate.findings import Finding, Gate, Outcome, Ratio
from gradgauge.gate.ratio_plot import LEGEND, ratio_plot, span_of
from gradgauge.gate.words import (
    OUTCOMES,
    alike,
    before_after,
    case_in_words,
    change_in_words,
    change_interval,
    finding_line,
    headline,
    limit_in_words,
    limit_of,
    seconds_in_words,
    settings_in_words,
    sides_in_words,
    subject,
    told_apart,
    worst_first,
)
from tests.gates import EMPTY, NASTY, SETTINGS, case, exact, gate, green, hostile, implementation, ratio, red, timed

SLOW = timed(Outcome.REGRESSION, 1.102)


def test_examples() -> None:
    assert doctest.testmod(words).attempted >= 2
    assert doctest.testmod(words).failed == doctest.testmod(plots).failed == 0


def test_every_outcome_has_a_word_of_its_own() -> None:
    assert set(OUTCOMES) == set(Outcome)
    assert len(set(OUTCOMES.values())) == len(Outcome)


def test_a_case_names_the_axes_that_are_filled_and_an_odd_layout() -> None:
    assert case_in_words(case()) == "relu · where · compiled · forward · cpu · float32 · 64x64"
    assert case_in_words(Case("relu", "where", "", "", "", "", "", "")) == "relu · where"
    assert case_in_words(replace(case(), layout="transposed")).endswith("64x64 · transposed")


def test_a_subject_has_its_metric_first_and_labels_that_are_not_usual() -> None:
    labels = {"clock": "wall", "cache": "cold"}
    assert subject(replace(SLOW, labels=labels)).endswith("64x64 · cold cache")
    assert subject(replace(exact(Outcome.WORSE, 1, 2), labels={"input": "a"})).startswith(
        "saved_bytes (input=a) · relu"
    )
    assert subject(gate_session()) == "the session"


def gate_session() -> Finding:
    return Finding("session", Outcome.NOTHING_MEASURED, Case("", "", "", "", "", "", "", ""))


def test_what_all_cases_share_is_said_once() -> None:
    other = timed(Outcome.NO_REGRESSION, 1.0, case("native", "backward"))
    common, labels = told_apart([SLOW, other])
    assert common == "relu · compiled · cpu · float32 · 64x64"
    assert labels == ["where · forward", "native · backward"]


def test_a_case_alone_keeps_its_axes_and_twins_theirs() -> None:
    assert told_apart([SLOW]) == ("", [subject(SLOW)])
    assert told_apart([SLOW, SLOW]) == ("", [subject(SLOW)] * 2)
    assert told_apart([]) == ("", [])


def test_a_finding_is_a_line() -> None:
    where = "relu · where · compiled · forward · cpu · float32 · 64x64"
    assert finding_line(SLOW) == f"slower: +10.2 % [+9.0, +11.4] against 3 % · {where}"
    assert finding_line(exact(Outcome.WORSE, 4096.0, 8192.0)) == f"worse: 4.0 KiB → 8.0 KiB · saved_bytes · {where}"
    broken = implementation(Outcome.CANDIDATE_FAILS, "broken", "NameError:\n no sigmoid")
    assert finding_line(broken) == "fails now: relu · broken — NameError: no sigmoid"
    assert finding_line(replace(SLOW, accepted="rare")).endswith("64x64 (accepted: rare)")


def test_a_finding_without_an_interval_says_so() -> None:
    assert finding_line(timed(Outcome.CANNOT_TELL, 1.4, half=None)).startswith("cannot tell: +40.0 % (no interval) ")


def test_a_value_that_a_side_lacks_is_a_dash() -> None:
    assert before_after(exact(Outcome.WORSE, None, 3.0, "graph_breaks", "count")) == ("—", "3")
    assert before_after(exact(Outcome.WORSE, "pass", None)) == ("pass", "—")


def test_two_figures_that_differ_look_different() -> None:
    assert before_after(exact(Outcome.WORSE, 524288.0, 524289.0)) == ("524288.0 byte", "524289.0 byte")


def test_the_times_of_both_sides() -> None:
    assert before_after(SLOW) == ("12.0 µs", "13.2 µs")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [(4096.0, 8192.0, "+100.0 %"), (3.0, 0.0, "−100.0 %"), (0.0, 3.0, ""), ("pass", "fail", ""), (None, 3.0, "")],
)
def test_a_change_of_a_figure_has_a_share_where_there_is_one(
    before: float | str | None, after: float | str | None, said: str
) -> None:
    assert change_in_words(exact(Outcome.WORSE, before, after)) == said


def test_an_interval_of_many_times_reads_as_factors() -> None:
    assert change_interval(Ratio(14.0, 1.5, 20.0, 1e-5, 0.03, 5e-8, 3, 30, None)) == "[+50.0 %, 20.0×]"


def test_the_floor_is_the_limit_where_it_is_more_than_the_tolerance() -> None:
    assert limit_in_words(ratio(baseline_s=1.2e-5)) == "3 %"
    assert limit_in_words(ratio(baseline_s=4e-7)) == "12 % (floor 50.0 ns)"
    assert limit_of(ratio(baseline_s=4e-7)) == pytest.approx(0.125)
    assert limit_of(ratio(baseline_s=0.0)) == 0.03


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (green(), "passed: 24 cases, none slower; 812 figures and verdicts alike"),
        (EMPTY, "failed: nothing was compared"),
        (gate(timed(Outcome.NO_REGRESSION, 1.0), compared=1), "passed: 1 case, none slower; 1 figure or verdict alike"),
        (gate(timed(Outcome.IMPROVEMENT, 0.8), compared=0), "passed: 1 case, none slower, 1 faster"),
        (gate(replace(SLOW, accepted="rare"), compared=0), "passed: 1 case, 1 slower; 1 accepted"),
        (gate(implementation(Outcome.UNCHANGED, "a"), compared=0), "passed: 1 unchanged"),
        (gate(exact(Outcome.BETTER, 3.0, 0.0), compared=3), "passed: 2 figures and verdicts alike; 1 better"),
        (gate(SLOW, SLOW, exact(Outcome.WORSE, 1.0, 2.0)), "failed: 2 regressions, 1 worse"),
        (gate(SLOW, timed(Outcome.CANNOT_TELL, 1.02)), "failed: 1 regression; 1 still open"),
        (gate(gate_session()), "failed: nothing was measured"),
        (gate(timed(Outcome.CANNOT_TELL, 1.02), timed(Outcome.NO_REGRESSION, 1.0)), "cannot tell: 1 still open"),
        (gate(implementation(Outcome.BOTH_FAIL, "a")), "cannot tell: 1 fails in both"),
        (gate(implementation(Outcome.BASELINE_UNUSABLE, "a")), "cannot tell: the baseline cannot be used"),
    ],
)
def test_a_headline(found: Gate, said: str) -> None:
    assert headline(found) == said


def test_every_failing_or_open_outcome_is_in_the_headline() -> None:
    said = headline(red())
    for part in (
        *("2 regressions", "2 worse", "1 removed", "1 fails in the candidate alone", "nothing was measured"),
        *("2 still open", "1 fails in both", "the baseline cannot be used", "1 accepted"),
    ):
        assert part in said


def test_what_changed_is_not_alike() -> None:
    assert alike(red()) == 812 - 3


def test_the_worst_comes_first() -> None:
    ordered = worst_first(red().findings)
    assert [finding.outcome for finding in ordered[:3]] == [Outcome.REGRESSION] * 3
    assert [finding.ratio.value for finding in ordered[:3] if finding.ratio] == [14.2, 1.102, 1.055]
    assert ordered[-1].outcome is Outcome.UNCHANGED


def test_how_it_was_decided() -> None:
    said = " ".join(settings_in_words(SETTINGS))
    for part in ("With 98 % confidence all intervals together", "more than 3 % and more than 50.0 ns longer"):
        assert part in said
    assert "at most 20.0 s of rounds, 1.5 s in each process; looked at after 3, 5 and 8 processes" in said


def test_a_confidence_is_not_rounded_up() -> None:
    assert "With 99.9 % confidence" in settings_in_words(replace(SETTINGS, confidence=0.999))[0]


def test_the_sides_and_where_the_time_went() -> None:
    assert sides_in_words(green()) == "working tree (fedcba9876, with uncommitted changes) against main (0123456789)"
    assert seconds_in_words(green()) == "2 min 5 s: timing 1 min 50 s, checking 15.2 s"
    assert seconds_in_words(replace(green(), seconds={})) == ""


def test_nothing_hostile_breaks_a_line() -> None:
    found = hostile()
    for line in (*map(finding_line, found.findings), sides_in_words(found), seconds_in_words(found)):
        assert line.isprintable()
        assert "alert(1)" in line


def test_a_plot_is_aligned_and_shows_interval_tolerance_and_no_change() -> None:
    lines = ratio_plot(red().times())
    rows = lines[3:-2]
    assert len(rows) == 7
    assert {line.index("│") for line in rows if "│" in line} == {lines[2].index("0     ")}
    by_name = {line.split("  ")[0]: line for line in rows}
    (slow,) = (line for line in rows if line.endswith("  +10.2 %"))
    assert slow.index("│") < slow.index("┊") < slow.index("├") < slow.index("●") < slow.index("┤")
    (fast,) = (line for line in rows if line.endswith("  −17.0 %"))
    assert fast.index("●") < fast.index("│")
    assert "▶  14.2×" in by_name["masked_function · eager · backward"]
    assert "├" not in by_name["saved_inputs · compiled · backward"], "there is no interval"


def test_a_plot_has_at_most_so_many_rows_and_says_how_many_more() -> None:
    lines = ratio_plot(green(40).times())
    assert sum("●" in line for line in lines) == 31, "30 rows and the legend"
    assert "… and 10 more" in lines


def test_wide_names_do_not_move_the_axis() -> None:
    from rich.cells import cell_len

    wide = timed(Outcome.NO_REGRESSION, 1.0, case("関数の実装"))
    rows = [line for line in ratio_plot([SLOW, wide]) if "●" in line and line != LEGEND]
    assert len({cell_len(line[: line.index("┊")]) for line in rows}) == 1


def test_nothing_timed_is_no_plot() -> None:
    assert ratio_plot([implementation(Outcome.NEW, "a")]) == ratio_plot([]) == []


def test_one_wild_ratio_does_not_press_the_axis_flat() -> None:
    low, high = span_of([ratio(1.0), ratio(1.01), ratio(1e300, half=None)])
    assert low < 0.99
    assert 1.03 < high < 1.25


@pytest.mark.parametrize("value", [0.0, 1e-300, 1.0, 1e308])
def test_any_ratio_has_a_place(value: float) -> None:
    (row,) = (line for line in ratio_plot([timed(Outcome.CANNOT_TELL, value, half=None)]) if "relu" in line)
    assert row.count("●") + row.count("▶") + row.count("◀") == 1


def test_hostile_names_stay_in_one_line_of_the_plot() -> None:
    lines = ratio_plot([timed(Outcome.NO_REGRESSION, 1.0, case(NASTY)), SLOW])
    assert all(line.isprintable() for line in lines)
