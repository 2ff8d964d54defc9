"""Processes that answer for cases: answers come back by case, and what ends or hangs one is charged to its case."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradgauge.attempts import Failure
from gradgauge.cases import Case
from gradgauge.children import Child, Death, ask
from gradgauge.records import Verdict
from gradgauge.runs import RunFolder
from tests.fakes import a_case, a_job, environment

ANSWERING = """
import os, sys, time, torch
from gradgauge.attempts import Failure
from gradgauge.children import answer_all
from gradgauge.records import Verdict

def answer(session, case, alive):
    if case.implementation.startswith("dies"):
        os._exit(3)
    if case.implementation == "hangs":
        time.sleep(1000)
    if case.implementation == "slow":
        for _ in range(8):
            time.sleep(1)
            alive()
    if case.implementation == "fails":
        return Failure(Verdict.UNSUPPORTED, "cannot")
    print("noise on standard output")
    os.write(1, b"noise below Python")
    return {"name": case.implementation, "threads": torch.get_num_threads(), "told": os.environ.get("TOLD")}

answer_all(answer)
"""

pytestmark = pytest.mark.slow


def asked(folder: RunFolder, tmp_path: Path, *names: str, silence_s: float = 60.0) -> tuple[dict[str, Any], list[str]]:
    (tmp_path / "answering.py").write_text(ANSWERING, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]])
    child = Child("answering", silence_s, environment={"PYTHONPATH": path, "TOLD": "yes"})
    beats: list[Case] = []
    cases = [a_case(implementation=name) for name in names]
    answers = ask(child, replace(a_job(folder), threads=1), cases, beats.append)
    assert list(answers) == cases
    return {case.implementation: answer for case, answer in answers.items()}, [case.implementation for case in beats]


def test_each_case_gets_its_answer_and_what_is_printed_is_none(folder: RunFolder, tmp_path: Path) -> None:
    answers, beats = asked(folder, tmp_path, "first", "fails", "second")
    assert answers["first"] == {"name": "first", "threads": 1, "told": "yes"}
    assert answers["fails"] == Failure(Verdict.UNSUPPORTED, "cannot")
    assert answers["second"]["name"] == "second"
    assert list(dict.fromkeys(beats)) == ["first", "fails", "second"]


def test_who_ends_the_process_costs_itself_alone(folder: RunFolder, tmp_path: Path) -> None:
    answers, _ = asked(folder, tmp_path, "first", "dies", "second", "dies again", "third")
    assert answers["first"]["name"] == "first"
    assert answers["dies"] == Death(Verdict.CRASHED, "ended the process that measured it, or hung in it (status 3)")
    assert answers["second"]["name"] == "second"
    assert answers["third"]["name"] == "third"


def test_a_child_that_never_gets_to_an_answer_is_not_started_for_ever(folder: RunFolder, tmp_path: Path) -> None:
    names = [f"dies {number}" for number in range(9)]
    answers, beats = asked(folder, tmp_path, *names)
    assert {answer.verdict for answer in answers.values()} == {Verdict.CRASHED}
    assert answers["dies 8"].detail == "the process that measures ends before it has measured anything"
    assert set(beats) == {"dies 0", "dies 1"}


def test_who_is_silent_too_long_is_killed_and_who_is_slow_is_not(folder: RunFolder, tmp_path: Path) -> None:
    # Long enough for the process to import torch, however slow the machine is.
    answers, beats = asked(folder, tmp_path, "slow", "hangs", "second", silence_s=30.0)
    assert answers["slow"]["name"] == "slow"
    assert answers["hangs"].verdict == Verdict.CRASHED
    assert answers["second"]["name"] == "second"
    assert beats.count("hangs") > 5, "nobody must take the process that waits for hung"
