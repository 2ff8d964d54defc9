"""Processes that measure what this one cannot: they are given a job and cases, and answer a line of JSON for each.

Who asks needs no torch.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any, Protocol

from gradgauge.attempts import Failure
from gradgauge.cases import Case
from gradgauge.job import Job
from gradgauge.lifeline import die_with_parent
from gradgauge.records import Verdict

if TYPE_CHECKING:
    from gradgauge.session import Session

POLL_S = 1.0
MOST_EARLY_DEATHS = 2
"""So often in a row a child may end before its first answer; then it is no fault of the cases."""


class Writable(Protocol):
    """A job, which the child reads from a file."""

    def write(self, file: Path) -> None:
        """Write it as JSON."""


@dataclass(frozen=True)
class Death(Failure):
    """A case that ended its process, or hung in it. doing: what the child last said that it does, if it said so."""

    doing: str = ""


@dataclass(frozen=True)
class Child:
    """How to start one. module: run as `python -m`; prefix: what runs that, such as `valgrind`.

    silence_s: how long it may say nothing before it is killed.
    """

    module: str
    silence_s: float
    prefix: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None


def ask(child: Child, job: Writable, cases: Sequence[Case], beat: Callable[[Case], None]) -> dict[Case, Any | Failure]:
    """Return what the child answers for each case, or why it has no answer.

    A case that ends its child, or hangs in it, costs itself alone: the rest is asked of another one.
    beat: told again and again which case is in hand, so that nobody takes this process for hung.
    """
    answers: dict[Case, Any | Failure] = {}
    deaths = 0
    while len(answers) < len(cases) and deaths < MOST_EARLY_DEATHS:
        left = cases[len(answers) :]
        found, status, doing = _ask_one(child, job, left, beat)
        answers |= found
        if len(found) < len(left):
            died = f"ended the process that measured it, or hung in it (status {status})"
            answers[left[len(found)]] = Death(Verdict.CRASHED, died, doing)
        deaths = 0 if found else deaths + 1
    lost = Failure(Verdict.CRASHED, "the process that measures ends before it has measured anything")
    return answers | dict.fromkeys(cases[len(answers) :], lost)


def _ask_one(
    child: Child, job: Writable, cases: Sequence[Case], beat: Callable[[Case], None]
) -> tuple[dict[Case, Any | Failure], int, str]:
    """Return the answers of one child, and its status and what it was doing where it did not give them all."""
    answers: dict[Case, Any | Failure] = {}
    doing = ""
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
        with suppress(BrokenPipeError), process.stdin as pipe:  # it may be gone already
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
            heard, told = time.monotonic(), json.loads(line)
            doing = told.get("doing", "")
            if "answer" in told or "verdict" in told:
                answers[case] = _answer(told)
        if not has_ended:
            process.kill()
        process.wait()
        reader.join()
    return answers, process.returncode, doing


def _follow(stream: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    """Hand on the lines of a stream as they come, and None at its end."""
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)


def _answer(told: dict[str, Any]) -> Any | Failure:
    return told["answer"] if "answer" in told else Failure(Verdict(told["verdict"]), told["detail"])


def answer_all(answer: Callable[[Session, Case, Callable[[], None]], Any | Failure]) -> None:
    """Be the child: read job and cases, and write what `answer` returns for each.

    It is given the session, a case, and what it calls now and then, to show that it is alive.
    """
    import torch

    from gradgauge.session import Session

    session = Session(Job.read(Path(sys.argv[1])))
    torch.set_num_threads(session.job.threads or torch.get_num_threads())
    serve(lambda case, tell: answer(session, case, lambda: tell("")))


def serve(answer: Callable[[Case, Callable[[str], None]], Any | Failure]) -> None:
    """Be the child: read cases from standard input, and write what `answer` returns for each.

    It is given a case, and what it calls now and then to show that it is alive, with what it is doing.
    """
    die_with_parent()
    # What anybody's code prints goes elsewhere than the answers.
    answers, sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8"), sys.stderr
    os.dup2(2, 1)

    def tell(told: dict[str, Any]) -> None:
        answers.write(json.dumps(told) + "\n")
        answers.flush()

    for keys in json.load(sys.stdin):
        found = answer(Case.from_json(keys), lambda doing: tell({"doing": doing}))
        is_failure = isinstance(found, Failure)
        tell({"verdict": found.verdict, "detail": found.detail} if is_failure else {"answer": found})
