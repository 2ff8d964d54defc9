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

WHERE = a_case(implementation="where", pass_="forward_backward")
FAILING = a_case(implementation="native", pass_="forward_backward")
CLAMP = a_case(implementation="masked_function", pass_="forward_backward")


def leaving(**parts: str) -> Callable[..., dict[Case, Any]]:
    """Return what stands for the child: it leaves these dumps, and the second of three cases raises."""

    def ask(child: Child, job: Job, cases: list[Case], beat: Callable[[Case], None]) -> dict[Case, Any]:
        (out,) = [word.partition("=")[2] for word in child.prefix if word.startswith("--callgrind-out-file=")]
        for name, text in parts.items():
            (Path(out).parent / name).write_text(text, encoding="utf-8")
        first, last = ({"calls": CALLS, "part": name} for name in ("first", "last"))
        return {WHERE: first, FAILING: Failure(Verdict.FAIL, "the call raised"), CLAMP: last}

    return ask


def test_each_count_is_its_own_dump_over_the_calls(monkeypatch: pytest.MonkeyPatch, folder: RunFolder) -> None:
    dumps = {"first": "events: Ir\nsummary: 4000\n", "last": "events: Ir\ntotals: 100\n"}
    monkeypatch.setattr(instructions, "ask", leaving(**dumps))
    found = count_instructions(a_job(folder), [WHERE, FAILING, CLAMP], lambda _: None)
    assert found == {WHERE: 200.0, FAILING: Failure(Verdict.FAIL, "the call raised"), CLAMP: 5.0}


def test_a_dump_without_a_total_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch, folder: RunFolder) -> None:
    monkeypatch.setattr(instructions, "ask", leaving(first="summary: 20\n", last="nothing\n"))
    with pytest.raises(ValueError, match=r"last: no total in what callgrind left"):
        count_instructions(a_job(folder), [WHERE, FAILING, CLAMP], lambda _: None)


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
def test_more_work_takes_more_instructions_and_a_failure_costs_nobody_else(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        monkeypatch.delenv(name, raising=False)  # measured, too, the child would take minutes
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
