"""Processes that measure what this one cannot: they are given a job and cases, and answer a line of JSON for each."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import torch

from gradgauge.attempts import Failure
from gradgauge.cases import Case
from gradgauge.job import Job
from gradgauge.lifeline import die_with_parent
from gradgauge.records import Verdict
from gradgauge.session import Session

POLL_S = 1.0


@dataclass(frozen=True)
class Child:
    """How to start one. module: run as `python -m`; prefix: what runs that, such as `valgrind`.

    silence_s: how long it may say nothing before it is killed.
    """

    module: str
    prefix: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None
    silence_s: float = 600.0


def ask(child: Child, job: Job, cases: Sequence[Case], beat: Callable[[Case], None]) -> dict[Case, Any | Failure]:
    """Return what the child answers for each case, or why it has no answer.

    beat: told again and again which case is in hand, so that nobody takes this process for hung.
    """
    answers: dict[Case, Any | Failure] = {}
    with TemporaryDirectory(prefix="gradgauge-job-") as folder:
        job.write(Path(folder) / "job.json")
        process = subprocess.Popen(
            [*child.prefix, sys.executable, "-m", child.module, str(Path(folder) / "job.json")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | (child.environment or {}),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin as pipe:
            pipe.write(json.dumps([case.to_json() for case in cases]).encode())
        lines: queue.Queue[bytes | None] = queue.Queue()
        reader = threading.Thread(target=_follow, args=(process.stdout, lines), daemon=True)
        reader.start()
        heard, has_ended = time.monotonic(), False
        while len(answers) < len(cases) and time.monotonic() - heard < child.silence_s:
            case = cases[len(answers)]
            beat(case)
            try:
                line = lines.get(timeout=POLL_S)
            except queue.Empty:
                continue
            if line is None:
                has_ended = True
                break
            answers[case] = _answer(json.loads(line))
            heard = time.monotonic()
        if not has_ended:
            process.kill()
        process.wait()
        reader.join()
    return answers | _lost(cases[len(answers) :], process.returncode)


def _follow(stream: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    """Hand on the lines of a stream as they come, and None at its end."""
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)


def _answer(told: dict[str, Any]) -> Any | Failure:
    return told["answer"] if "answer" in told else Failure(Verdict(told["verdict"]), told["detail"])


def _lost(cases: Sequence[Case], status: int) -> dict[Case, Failure]:
    """Return why there is no answer: the first of them ended the child."""
    died = Failure(Verdict.CRASHED, f"ended the process that measured it, or hung in it (status {status})")
    after = Failure(Verdict.NOT_APPLICABLE, "an earlier case ended the process that measures")
    return {case: died if index == 0 else after for index, case in enumerate(cases)}


def answer_all(answer: Callable[[Session, Case], Any | Failure]) -> None:
    """Be the child: read job and cases, and write what `answer` returns for each."""
    die_with_parent()
    session = Session(Job.read(Path(sys.argv[1])))
    torch.set_num_threads(session.job.threads or torch.get_num_threads())
    # What anybody's code prints goes elsewhere than the answers.
    answers, sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8"), sys.stderr
    os.dup2(2, 1)
    for keys in json.load(sys.stdin):
        found = answer(session, Case.from_json(keys))
        told = {"verdict": found.verdict, "detail": found.detail} if isinstance(found, Failure) else {"answer": found}
        answers.write(json.dumps(told) + "\n")
        answers.flush()
