"""How many instructions a call takes, as callgrind counts them in a process of its own: no clock.

Counting slows a process down fifty times, and importing PyTorch takes a minute so; hence one process for all cases.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from gradgauge.attempts import Failure, attempt
from gradgauge.calling import gradients_of, outputs_of
from gradgauge.cases import Case
from gradgauge.children import Child, answer_all, ask
from gradgauge.inputs import as_leaf, random_inputs
from gradgauge.job import Job
from gradgauge.session import Session

CALLS, WARM_UP_CALLS = 20, 5
OUT = "callgrind.out"
STARTING_S = 600.0
"""What importing PyTorch under valgrind may take."""
_TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


def unavailable_reason() -> str:
    """Return why instructions cannot be counted on this machine; empty where they can."""
    if not shutil.which("valgrind"):
        return "counting instructions needs valgrind, which is not on the PATH"
    supported: bool = torch._C._valgrind_supported_platform()  # noqa: SLF001  (as torch.utils.benchmark asks)
    return "" if supported else "this build of PyTorch cannot tell valgrind what to count"


def count_instructions(job: Job, cases: Sequence[Case], beat: Callable[[Case], None]) -> dict[Case, float | Failure]:
    """Return the instructions that one forward and backward of each case takes, on one thread; or why it has none."""
    with TemporaryDirectory(prefix="gradgauge-callgrind-") as folder:
        out = Path(folder) / OUT
        valgrind = (
            "valgrind",
            "--tool=callgrind",
            f"--callgrind-out-file={out}.%p",
            "--collect-atstart=no",
            "--log-file=/dev/null",
        )
        # Hashes that differ from process to process would change the order in dicts and sets, and so the count.
        environment = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
        child = Child("gradgauge.instructions", STARTING_S + job.timeout_s, valgrind, environment)
        answers = ask(child, job, cases, beat)
        return {
            case: found if isinstance(found, Failure) else _read(out.parent / found["part"]) / found["calls"]
            for case, found in answers.items()
        }


def _read(part: Path) -> int:
    """Return the total of one dump. Raises ValueError where callgrind left none."""
    total = _TOTAL.search(part.read_text(encoding="utf-8", errors="replace"))
    if total is None:
        raise ValueError(f"{part}: no total in what callgrind left")
    return int(total.group(1))


class _Counter:
    """What the child keeps from case to case: how many dumps callgrind has made."""

    def __init__(self) -> None:
        self.dumps = 0

    def count(self, session: Session, case: Case, _: Callable[[], None]) -> dict[str, Any] | Failure:
        """Run a case between two marks for callgrind; return how often, and the file that has the count."""
        run = _running(session, case)
        warm = attempt("the call", lambda: run(WARM_UP_CALLS))
        if isinstance(warm, Failure):
            return warm
        torch._C._valgrind_toggle()  # noqa: SLF001  (as torch.utils.benchmark does)
        run(CALLS)
        torch._C._valgrind_toggle_and_dump_stats()  # noqa: SLF001  (as above)
        self.dumps += 1
        return {"calls": CALLS, "part": f"{OUT}.{os.getpid()}.{self.dumps}"}


def _running(session: Session, case: Case) -> Callable[[int], None]:
    """Return what runs forward and backward of the case so many times."""
    torch.set_num_threads(1)
    entry = session.entry(case)
    call = entry.implementations[case.implementation].implementation.call
    inputs = tuple(as_leaf(tensor, case) for tensor in random_inputs(case, entry, session.job.seed))

    def run(calls: int) -> None:
        for _ in range(calls):
            outputs = outputs_of(call(*inputs))
            gradients_of(outputs, inputs, [torch.ones_like(each) for each in outputs])

    return run


if __name__ == "__main__":
    answer_all(_Counter().count)
