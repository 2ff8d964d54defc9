"""Processes that answer for cases: answers come back by case, and what ends or hangs one is charged to its case."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradgauge.attempts import Failure
from gradgauge.cases import Case
from gradgauge.children import Child, ask
from gradgauge.records import Verdict
from gradgauge.runs import RunFolder
from tests.fakes import a_case, a_job, environment

ANSWERING = """
import os, sys, time, torch
from gradgauge.attempts import Failure
from gradgauge.children import answer_all
from gradgauge.records import Verdict

def answer(session, case):
    if case.implementation == "dies":
        os._exit(3)
    if case.implementation == "hangs":
        time.sleep(1000)
    if case.implementation == "fails":
        return Failure(Verdict.UNSUPPORTED, "cannot")
    print("noise on standard output")
    os.write(1, b"noise below Python")
    return {"name": case.implementation, "threads": torch.get_num_threads(), "told": os.environ.get("TOLD")}

answer_all(answer)
"""

pytestmark = pytest.mark.slow


def asked(
    folder: RunFolder, tmp_path: Path, *names: str, silence_s: float = 60.0
) -> tuple[dict[str, Any], list[str]]:
    (tmp_path / "answering.py").write_text(ANSWERING, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]])
    child = Child("answering", environment={"PYTHONPATH": path, "TOLD": "yes"}, silence_s=silence_s)
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


def test_who_ends_the_process_has_crashed_and_the_rest_has_no_answer(folder: RunFolder, tmp_path: Path) -> None:
    answers, _ = asked(folder, tmp_path, "first", "dies", "second")
    assert answers["first"]["name"] == "first"
    assert answers["dies"] == Failure(Verdict.CRASHED, "ended the process that measured it, or hung in it (status 3)")
    assert answers["second"] == Failure(Verdict.NOT_APPLICABLE, "an earlier case ended the process that measures")


def test_who_is_silent_too_long_is_killed(folder: RunFolder, tmp_path: Path) -> None:
    # Long enough for the process to import torch, however slow the machine is.
    answers, beats = asked(folder, tmp_path, "first", "hangs", silence_s=30.0)
    assert answers["first"]["name"] == "first"
    assert answers["hangs"].verdict == Verdict.CRASHED
    assert beats.count("hangs") > 5, "nobody must take the process that waits for hung"
