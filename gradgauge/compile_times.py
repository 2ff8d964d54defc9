"""How long compiling takes, with an empty cache and with a full one, in a process of its own.

Before any case is compiled there, something trivial is: the first compilation of a process imports the compiler and
precompiles C++ headers, which takes longer than any case and is told apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from gradgauge.attempts import Failure, attempt
from gradgauge.calling import Call, gradients_of, outputs_of
from gradgauge.cases import Case
from gradgauge.children import Child, answer_all, ask
from gradgauge.compilation import compile_call, forget_compiled
from gradgauge.devices import synchronize
from gradgauge.inputs import as_leaf, random_inputs
from gradgauge.job import Job
from gradgauge.session import Session

ROUNDS = 3
STARTING_S = 60.0
"""What the first compilation of a process may take besides: it imports the compiler."""


@dataclass(frozen=True)
class CompileTimes:
    """Seconds that the first forward and backward of a case take longer than the second.

    cold_s: each with an empty cache of its own; warm_s: each with the cache that a cold one left.
    start_s: what the first compilation of the process took, once.
    """

    cold_s: tuple[float, ...]
    warm_s: tuple[float, ...]
    start_s: float


def compile_times(job: Job, cases: Sequence[Case], beat: Callable[[Case], None]) -> dict[Case, CompileTimes | Failure]:
    """Return the compile times of the cases, or why one has none, from a new process with a new cache."""
    with TemporaryDirectory(prefix="gradgauge-cache-") as cache:
        environment = {"TORCHINDUCTOR_CACHE_DIR": str(Path(cache) / "inductor")}
        child = Child("gradgauge.compile_times", STARTING_S + job.timeout_s, environment=environment)
        answers = ask(child, job, cases, beat)
    return {
        case: answer
        if isinstance(answer, Failure)
        else CompileTimes(tuple(answer["cold_s"]), tuple(answer["warm_s"]), answer["start_s"])
        for case, answer in answers.items()
    }


def time_compiling(
    anew: Callable[[], Callable[[], Any]],
    fresh_cache: Callable[[], AbstractContextManager[Any]],
    alive: Callable[[], None],
) -> tuple[list[float], list[float]]:
    """Return cold and warm seconds, ROUNDS each.

    anew: forgets compiled code and returns a call yet to be compiled. alive: called after each compilation.
    """
    cold_s, warm_s = [], []
    for _ in range(ROUNDS):
        with fresh_cache():
            cold_s.append(_first_s(anew()))
            alive()
            warm_s.append(_first_s(anew()))
            alive()
    return cold_s, warm_s


def _first_s(call: Callable[[], Any]) -> float:
    """Return the seconds that the first call takes longer than the second."""
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return seconds[0] - seconds[1]


class _Compiler:
    """What the child keeps from case to case: what it loaded, and what its first compilation took."""

    def __init__(self) -> None:
        self.start_s = 0.0

    def times(self, session: Session, case: Case, alive: Callable[[], None]) -> dict[str, Any] | Failure:
        """Return the answer for a case."""
        from torch._inductor.utils import fresh_cache

        call = session.entry(case).implementations[case.implementation].implementation.call
        if not self.start_s:
            began = time.perf_counter()
            _compiling(_negate_all, session, case)()()
            self.start_s = time.perf_counter() - began
        found = attempt("torch.compile", lambda: time_compiling(_compiling(call, session, case), fresh_cache, alive))
        if isinstance(found, Failure):
            return found
        return {"cold_s": found[0], "warm_s": found[1], "start_s": self.start_s}


def _compiling(call: Call, session: Session, case: Case) -> Callable[[], Callable[[], Any]]:
    inputs = tuple(as_leaf(tensor, case) for tensor in random_inputs(case, session.entry(case), session.job.seed))

    def anew() -> Callable[[], Any]:
        forget_compiled()
        compiled = compile_call(call)

        def run() -> None:
            outputs = outputs_of(compiled(*inputs))
            gradients_of(outputs, inputs, [torch.ones_like(each) for each in outputs])
            synchronize(case.device)

        return run

    return anew


def _negate_all(*inputs: Tensor) -> tuple[Tensor, ...]:
    return tuple(-each for each in inputs)


if __name__ == "__main__":
    answer_all(_Compiler().times)
