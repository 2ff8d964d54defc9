from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from gradgauge.steps import CaseStep, LoadStep
from gradgauge.supervisor import Progress
from gradgauge.terminal import catalog_table, progress_display, specification_lines, time_left
from tests.fakes import CASE


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
