from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from gradgauge.gate.findings import Gate, Outcome
from gradgauge.gate.terminal import exact_changes, exact_table, gate_parts, times_table
from tests.gates import EMPTY, EVERY_GATE, case, exact, gate, green, hostile, implementation, long, red, timed


def printed(found: Gate, width: int = 160, most: int = 30) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    for part in gate_parts(found, most):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def lines_of(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (green(), "passed: 24 cases, none slower; 812 figures and verdicts alike"),
        (long(300), "failed: 300 regressions"),
        (EMPTY, "failed: nothing was compared"),
    ],
)
def test_the_headline_comes_last(found: Gate, said: str) -> None:
    assert lines_of(printed(found))[-1] == said


def test_green_is_short() -> None:
    lines = lines_of(printed(green()))
    assert len(lines) <= 10
    assert sum(" not slower" in line for line in lines) == 3
    assert "… and 21 more cases in gate.json" in lines


def test_red_has_times_worst_first_then_changes_then_the_rest_then_notes() -> None:
    text = printed(red())
    told = (
        "14.2×",
        "+10.2 % [+9.0, +11.4]",
        "saved_bytes",
        "removed: relu · old_trick",
        "note: The control",
        "failed: 2",
    )
    places = [text.index(part) for part in told]
    assert places == sorted(places)
    (row,) = (line for line in lines_of(text) if "+10.2 %" in line)
    assert row.split("  ")[0] == "where · compiled · forward"
    for cell in ("3 %", "140/5", "slower"):
        assert cell in row
    assert "4.0 KiB   8.0 KiB   +100.0 %   worse" in text
    assert "slower, accepted" in text
    assert "… and" not in text


def test_what_concerns_no_figure_is_told_once() -> None:
    text = printed(red())
    for line in ("fails now: relu · broken — NameError", "nothing measured: the session", "fails in both: relu"):
        assert text.count(line) == 1
    assert "relu · newcomer" not in text, "what is new fails nothing"


def test_tables_are_cut_and_say_so() -> None:
    text = printed(long(50), most=7)
    assert sum("  slower" in line for line in text.splitlines()) == 7
    assert "… and 93 more cases in gate.json" in text
    broken = [implementation(Outcome.REMOVED, f"gone_{index}") for index in range(9)]
    assert "… and 2 more findings in gate.json" in printed(gate(*broken), most=7)


def test_what_fails_comes_first_among_the_changes() -> None:
    better, worse = exact(Outcome.BETTER, 3.0, 0.0), exact(Outcome.WORSE, 1.0, 2.0)
    assert exact_changes(gate(better, timed(Outcome.REGRESSION, 1.1), worse)) == [worse, better]
    assert exact_table([worse, better], most=1).row_count == 1


def test_why_a_figure_changed_stands_below_it() -> None:
    crashed = replace(exact(Outcome.CANDIDATE_FAILS, "measured", "crashed"), detail="killed by\nsignal 11")
    lines = lines_of(printed(gate(crashed)))
    (at,) = (index for index, line in enumerate(lines) if "saved_bytes" in line)
    assert lines[at + 1] == "killed by signal 11"


def test_a_finding_without_a_time_is_no_row_among_times() -> None:
    with pytest.raises(ValueError, match="removed: relu · a: no time"):
        times_table([implementation(Outcome.REMOVED, "a")])


@pytest.mark.parametrize("name", EVERY_GATE)
def test_nothing_is_wider_than_a_narrow_terminal(name: str) -> None:
    assert all(len(line) <= 80 for line in printed(EVERY_GATE[name], width=80).splitlines())


def test_a_change_and_its_interval_stand_in_one_line_of_80_columns() -> None:
    (line,) = (line for line in printed(red(), width=80).splitlines() if "+10.2 % [+9.0, +11.4]" in line)
    assert line.split()[-3:] == ["%", "140/5", "slower"]


@pytest.mark.parametrize("word", ["masked_function", "cannot tell", "faster", "accepted", "140/5"])
def test_no_column_is_cut_off_in_80_columns(word: str) -> None:
    assert word in printed(gate(*red().times()), width=80)


def test_names_are_neither_markup_nor_orders_to_the_terminal() -> None:
    text = printed(gate(timed(Outcome.REGRESSION, 1.1, case("[bold]x[/bold]\x1b[31m"))))
    assert "[bold]x[/bold]" in text
    assert "\x1b" not in text + printed(hostile())
    assert "\x00" not in printed(hostile())
