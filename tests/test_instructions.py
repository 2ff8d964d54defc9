"""Instruction counts: from callgrind where there is valgrind, told as unavailable elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradgauge import instructions
from gradgauge.attempts import Failure
from gradgauge.cases import Case
from gradgauge.children import Child
from gradgauge.instructions import CALLS, count_instructions, unavailable_reason
from gradgauge.job import Job
from gradgauge.records import Verdict
from gradgauge.runs import RunFolder
from tests.fakes import a_case, a_job, measure_here

MUL = a_case(implementation="where", pass_="forward_backward")
FAILING = a_case(implementation="native", pass_="forward_backward")
CLAMP = a_case(implementation="masked_function", pass_="forward_backward")


def leaving(*parts: str) -> Callable[..., dict[Case, Any]]:
    """Return what stands for the child: it leaves these parts, and the second of three cases raises."""

    def ask(child: Child, job: Job, cases: list[Case], beat: Callable[[Case], None]) -> dict[Case, Any]:
        (out,) = [word.partition("=")[2] for word in child.prefix if word.startswith("--callgrind-out-file=")]
        for number, text in enumerate(parts, 1):
            Path(f"{out}.{number}").write_text(text, encoding="utf-8")
        return {MUL: CALLS, FAILING: Failure(Verdict.FAIL, "the call raised"), CLAMP: CALLS}

    return ask


def counted(monkeypatch: pytest.MonkeyPatch, folder: RunFolder, *parts: str) -> dict[Case, Any]:
    monkeypatch.setattr(instructions, "ask", leaving(*parts))
    return count_instructions(a_job(folder), [MUL, FAILING, CLAMP], lambda _: None)


def test_each_count_is_its_own_part_over_the_calls(monkeypatch: pytest.MonkeyPatch, folder: RunFolder) -> None:
    first, second = "events: Ir\nsummary: 4000\n", "events: Ir\ntotals: 100\n"
    found = counted(monkeypatch, folder, first, second)
    assert found == {MUL: 200.0, FAILING: Failure(Verdict.FAIL, "the call raised"), CLAMP: 5.0}


def test_parts_are_taken_by_number_not_by_name(monkeypatch: pytest.MonkeyPatch, folder: RunFolder) -> None:
    ask = leaving(*(f"summary: {CALLS * number}\n" for number in range(1, 12)))
    cases = [a_case(shape=f"{size}") for size in range(9)]
    monkeypatch.setattr(instructions, "ask", lambda *given: {**ask(*given), **dict.fromkeys(cases, CALLS)})
    found = count_instructions(a_job(folder), cases, lambda _: None)
    assert list(found.values())[3:] == list(range(3, 12))


@pytest.mark.parametrize("parts", [(), ("summary: 20\n",), ("summary: 20\n", "no count in it\n")])
def test_a_count_that_callgrind_did_not_leave_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, folder: RunFolder, parts: tuple[str, ...]
) -> None:
    assert counted(monkeypatch, folder, *parts)[CLAMP] == Failure(Verdict.UNAVAILABLE, "callgrind left no count")


def test_without_valgrind_counts_are_recorded_as_unavailable(
    monkeypatch: pytest.MonkeyPatch, folder: RunFolder
) -> None:
    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "valgrind" else found(name))
    chosen = {"suites": ("instructions",), "devices": ("cpu",), "functions": ("relu",), "implementations": ("where",)}
    measured = measure_here(folder, a_job(folder, chosen))
    (line,) = measured.records
    assert (line["metric"], line["value"], line["verdict"]) == ("instructions", None, "unavailable")
    assert line["detail"] == "counting instructions needs valgrind, which is not on the PATH"


@pytest.mark.slow
@pytest.mark.skipif(bool(unavailable_reason()), reason="no valgrind on this machine")
def test_more_work_takes_more_instructions_and_a_failure_costs_nobody_else(folder: RunFolder, tmp_path: Path) -> None:
    twice = tmp_path / "mine" / "relu"
    twice.mkdir(parents=True)
    text = "from gradgauge.model import Implementation\nimport torch\n"
    (twice / "longer.py").write_text(
        text + "IMPLEMENTATION = Implementation(call=lambda x: torch.relu(torch.relu(x)))\n", encoding="utf-8"
    )
    (twice / "raising.py").write_text(
        text + "IMPLEMENTATION = Implementation(call=lambda x: 1 / 0)\n", encoding="utf-8"
    )
    names = ("raising", "native", "longer")
    cases = [a_case(implementation=name, pass_="forward_backward") for name in names]
    job = a_job(folder, implementations=(str(tmp_path / "mine"),))
    beats: list[Case] = []
    raising, native, longer = count_instructions(job, cases, beats.append).values()
    assert isinstance(raising, Failure)
    assert raising.detail == "the call raised ZeroDivisionError: division by zero"
    assert isinstance(native, float)
    assert isinstance(longer, float)
    assert 1.1 * native < longer < 3 * native
    assert beats, "counting takes minutes on a slow machine: nobody must take it for hung"
