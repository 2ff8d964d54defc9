from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from gradgauge.records import Record, Verdict
from gradgauge.report.behavior import matrices
from gradgauge.report.data import RunData
from gradgauge.steps import CaseStep, LoadStep
from gradgauge.supervisor import Progress
from gradgauge.terminal import behavior_parts, catalog_table, progress_display, specification_lines, time_left
from tests.fakes import CASE
from tests.report import synthetic
from tests.report.synthetic_behavior import CHECKS, behaviors, metrics, tried


@pytest.mark.parametrize(
    ("done", "items", "elapsed_s", "limit_s", "words"),
    [
        (10, 40, 20.0, None, "~60 s left"),
        (10, 40, 20.0, 55.0, "~35 s left"),  # the limit leaves less than the pace asks for
        (10, 40, 60.0, 55.0, "~0 s left"),
        (40, 40, 20.0, None, "~0 s left"),
        (0, 40, 5.0, 55.0, "at most 50 s left"),
        (0, 0, 5.0, 55.0, "at most 50 s left"),
        (0, 40, 60.0, 55.0, ""),
        (0, 40, 5.0, None, ""),
    ],
)
def test_the_time_left_goes_by_the_pace_so_far_and_the_limit(
    done: int, items: int, elapsed_s: float, limit_s: float | None, words: str
) -> None:
    assert time_left(done, items, elapsed_s, limit_s) == words


def a_progress(step: str, done: int = 2) -> Progress:
    return Progress(items=8, done=[("speed", str(index)) for index in range(done)], step=step)


IN_HAND = str(CaseStep("speed", CASE, "warming up"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now_s=0.0)
    monkeypatch.setattr("time.monotonic", lambda: clock.now_s)
    return clock


def test_without_a_terminal_there_is_a_line_every_ten_seconds(clock: SimpleNamespace) -> None:
    console = Console(file=io.StringIO(), width=200)
    with progress_display(console, 55.0) as show:
        for now_s in range(25):
            clock.now_s = float(now_s)
            show(a_progress(IN_HAND))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["10", "20"]
    assert "2/8 cases" in lines[0]
    assert "~30 s left" in lines[0]
    assert "speed relu · reference · eager · forward · float32 · 8x8" in lines[0]


@pytest.mark.parametrize(
    ("step", "words"), [(IN_HAND, "speed relu"), (str(LoadStep("/a/[x].py")), "loading /a/[x].py"), ("", "starting")]
)
def test_on_a_terminal_the_case_in_hand_and_the_count_are_shown(clock: SimpleNamespace, step: str, words: str) -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    with progress_display(console, None) as show:
        clock.now_s = 4.0
        show(a_progress(step))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert words in text
    assert "2/8" in text
    assert "~12 s left" in text


def an_entry(**fields: Any) -> dict[str, Any]:
    modes = {
        "eager": {"available": True, "reason": ""},
        "compiled": {"available": False, "reason": "needs a C++ compiler [g++]"},
    }
    implementation = {"summary": "Clamps.", "convention": {"x = 0": 1.0}, "expected_fail": {}, "modes": modes}
    wrong = implementation | {"summary": "Wrong.", "convention": {}, "expected_fail": {"gradient_max_ulp": "sign"}}
    return {
        "summary": "The unit",
        "formula": "f(x) = 0\nf(x) = x",
        "derivative": "f′",
        "source": "here",
        "inputs": ["a", "b"],
        "kinks": [{"name": "x = 0", "slopes": (0.0, 1.0)}, {"name": "a = b", "slopes": None}],
        "value_budget_ulp": 0.5,
        "gradient_budget_ulp": 4.0,
        "implementations": {"reference": implementation, "wrong": wrong},
        **fields,
    }


def test_the_table_has_a_row_for_each_implementation_with_reason_and_convention() -> None:
    console = Console(file=io.StringIO(), width=200)
    console.print(catalog_table({"functions": {"relu": an_entry()}}))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    header, reference, wrong = [line for line in lines if any(char.isalpha() for char in line)]
    assert "implementation" in header
    assert "relu" in reference
    assert "yes" in reference
    assert "no: needs a C++ compiler [g++]" in reference
    assert "1 at x = 0" in reference
    assert "relu" not in wrong
    assert "Expected to fail: gradient_max_ulp." in wrong


def test_a_specification_tells_formula_kinks_budgets_and_what_is_expected_to_fail() -> None:
    lines = specification_lines("relu", an_entry())
    assert lines[:2] == ["relu(a, b)", "The unit"]
    text = "\n".join(lines)
    for words in (
        "    f(x) = 0\n    f(x) = x",
        "    x = 0: slopes (0.0, 1.0)\n    a = b",
        "values 0.5 ulp, gradients 4 ulp",
        "    reference: Clamps.",
        "      expected to fail gradient_max_ulp: sign",
    ):
        assert words in text
    assert "    none" in specification_lines("relu", an_entry(kinks=[]))
    derived = specification_lines("relu", an_entry(value_budget_ulp=None))
    assert "    values derived from the steps, gradients 4 ulp" in derived


def behavior_text(parent: Path, *records: Record, known: tuple[str, ...] = ()) -> str:
    """Return what is printed of relu's behaviour, 80 columns wide."""
    run = RunData.load(synthetic.write_run(parent / "runs", list(records), [], metrics=metrics()))
    console = Console(file=io.StringIO(), width=80)
    for matrix in matrices(run, "relu"):
        for part in behavior_parts(matrix, run.description, list(known)):
            console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def rows_of(text: str) -> dict[str, list[str]]:
    """Return the signs of each check, those of several tables one after another."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, *signs = line.split() or [""]
        if name in CHECKS and all(sign[0] in "✓✗△∅—?" for sign in signs):
            found.setdefault(name, []).extend(signs)
    return found


def test_behaviour_fits_80_columns_however_many_implementations_there_are(tmp_path: Path) -> None:
    names = [f"an_implementation_of_a_long_name_{index}" for index in range(10)]
    techniques = [f"{name}/{mode}" for mode in ("eager", "compiled") for name in names]
    wrong = tried(techniques[19], "twice", Verdict.FAIL, "wrong " * 40 + "x" * 100)
    text = behavior_text(tmp_path, *behaviors([wrong], techniques))
    assert max(map(len, text.splitlines())) <= 80
    assert rows_of(text)["twice"] == [*["✓"] * 19, "✗1"]
    assert rows_of(text)["captured"] == ["✓", "—"] * 10
    assert "Two marks: eager, then compiled." in " ".join(text.split())


def test_a_technique_that_was_not_tried_has_a_mark_of_its_own(tmp_path: Path) -> None:
    techniques = ("reference/eager", "reference/compiled", "where/eager")
    text = behavior_text(tmp_path, *behaviors(techniques=techniques), known=("where", "native"))
    assert rows_of(text)["twice"] == ["✓", "✓", "✓", "?"]
    assert text.splitlines()[-1].strip() == "not measured: native"
    assert "not measured" not in behavior_text(tmp_path / "b", *behaviors(techniques=techniques), known=("where",))


def test_a_single_mode_is_named(tmp_path: Path) -> None:
    text = behavior_text(tmp_path, *behaviors(techniques=("reference/eager",)))
    assert "All in eager mode." in " ".join(text.split())
    assert rows_of(text)["twice"] == ["✓"]


def test_a_reason_is_text_and_says_in_which_dtypes(tmp_path: Path) -> None:
    wrong = tried("re[b]f/eager", "tidy", Verdict.FAIL, "left [bold]a[/] mess [/x]", dtype="bfloat16")
    right = tried("re[b]f/eager", "tidy")
    text = behavior_text(tmp_path, *behaviors(), right, wrong)
    assert "✗1 tidy: re[b]f (bfloat16 only)" in text
    assert "left [bold]a[/] mess [/x]" in text
    assert "(cpu, float32, bfloat16)" in " ".join(text.split())


def test_each_device_is_printed(tmp_path: Path) -> None:
    text = behavior_text(tmp_path, *behaviors(), *behaviors(device="cuda:0"))
    said = " ".join(text.split())
    assert "(cpu, float32)" in said
    assert "(cuda:0, float32)" in said
