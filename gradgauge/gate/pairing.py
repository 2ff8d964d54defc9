"""The child process that takes pairs: both revisions loaded side by side, on the same tensors, rounds in turns.

`python -m gradgauge.gate.pairing JOB`, with cases on standard input; it answers each with the pairs of one slice.
"""

from __future__ import annotations

import gc
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from gradgauge.attempts import Failure, attempt
from gradgauge.calling import outputs_of
from gradgauge.cases import REFERENCE, Case
from gradgauge.catalog import Catalog, load
from gradgauge.children import serve
from gradgauge.clocks import Clock, clock_for
from gradgauge.compilation import compile_call, forget_compiled
from gradgauge.gate.definitions import Definitions
from gradgauge.gate.pair_job import CANDIDATE, SIDES, PairJob
from gradgauge.inputs import as_leaf, cotangents, generator_for, random_inputs
from gradgauge.passes import Pass, Subject
from gradgauge.records import Verdict
from gradgauge.rounds import Samples
from gradgauge.runners import Runner, warm_up
from gradgauge.sampling import TIMED_ROUND, Sides, measure_pair
from gradgauge.timing import TimingProtocol, usual_protocol

EITHER = "either"
"""Whose code is in hand, as the parent is told it; while rounds are taken nobody is told which of the two."""
ROUND_S = 1e-3
"""A wall-clock round of a pair lasts so long: longer than the clock needs, and both still meet the same weather."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Revisions:
    """Both catalogs of one process.

    twice: operators that both sides define, of which a process holds one alone, and the candidate's file.
    """

    job: PairJob
    baseline: Catalog
    candidate: Catalog
    twice: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def load(cls, job: PairJob) -> Revisions:
        """Load the functions that are compared, from both sides; the candidate's serves for both where it must."""
        functions = tuple(dict.fromkeys(function for function, _, _ in job.techniques))
        ours = Definitions()
        candidate = load([*map(Path, job.candidate)], functions, ours.loads, job.unloadable)
        mine = dict(ours.found())
        if job.against_reference:
            return cls(job, candidate, candidate)
        theirs = Definitions()
        baseline = load([*map(Path, job.baseline)], functions, theirs.loads, job.unloadable)
        return cls(job, baseline, candidate, {name: mine[name] for name in theirs.found() if name in mine})

    def subjects(self, case: Case) -> tuple[Subject, Subject]:
        """Return both sides of a case, on the same input tensors and the same cotangents."""
        entry = self.candidate.functions[case.function]
        inputs = tuple(as_leaf(tensor, case) for tensor in random_inputs(case, entry, self.job.seed))
        outputs = outputs_of(entry.reference.implementation.call(*inputs))
        drawn = cotangents(outputs, generator_for(case, self.job.seed, "cotangents"))
        grad_outputs = tuple(tensor.to(case.device) for tensor in drawn)
        protocol = usual_protocol(case.pass_, case.device)
        theirs = self._baseline_of(case)
        pairs = ((self.baseline, theirs), (self.candidate, case))
        one, other = (Subject(each, _call(catalog, each), inputs, grad_outputs, protocol) for catalog, each in pairs)
        return one, other

    def _baseline_of(self, case: Case) -> Case:
        if self.job.against_reference:
            return replace(case, implementation=REFERENCE, mode="eager")
        return replace(case, implementation=self.job.names[case.function, case.implementation])


def _call(catalog: Catalog, case: Case) -> Callable[..., Any]:
    call = catalog.functions[case.function].implementations[case.implementation].implementation.call
    return compile_call(call) if case.mode == "compiled" else call


def pairs_of(revisions: Revisions, case: Case, tell: Tell) -> Any | Failure:
    """Return what one slice of a case came to, as `gate.processes` reads it."""
    tell(CANDIDATE)  # whose reference makes the outputs that cotangents are drawn for
    subjects = attempt("preparing", lambda: revisions.subjects(case))
    if isinstance(subjects, Failure):
        return _lost({CANDIDATE: subjects})
    warm_ups = _warm_ups(subjects, revisions.job.plants.get(case.slug, 0.0))
    sides, spent = measure_pair(warm_ups, case, revisions.job.slice_s, _Teller(tell))
    forget_compiled()
    gc.collect()
    rounds_s, starting_s = spent.timed_s + spent.prepared_s, spent.warm_up_s + spent.calibration_s
    return _told(sides) | {"rounds_s": rounds_s, "starting_s": starting_s}


def _warm_ups(
    subjects: tuple[Subject, Subject], share: float
) -> tuple[Callable[[], Runner | Failure], Callable[[], Runner | Failure]]:
    one, other = (partial(warm_up, subject, _clock_for, {}) for subject in subjects)
    return one, partial(_slowed, other, share) if share else other


def _clock_for(protocol: TimingProtocol, device: str) -> Clock:
    clock = clock_for(protocol, device)
    if protocol.clock == "wall":
        clock.round_s = ROUND_S
    return clock


def _slowed(make: Callable[[], Runner | Failure], share: float) -> Runner | Failure:
    """Return a runner whose rounds take a share longer: a planted slowdown, by which a gate is measured."""
    runner = make()
    return runner if isinstance(runner, Failure) else replace(runner, pass_=slowed(runner.pass_, share))


def slowed(pass_: Pass, share: float) -> Pass:
    """Return the pass, which goes on for that share of the time that it just took."""

    def run(batch: Any) -> None:
        began = time.perf_counter()
        pass_.run(batch)
        until = began + (time.perf_counter() - began) * (1 + share)
        while time.perf_counter() < until:
            pass

    return replace(pass_, run=run)


class _Teller:
    """Tells whose code is in hand; of the rounds, which must not be disturbed, only that they have begun."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._in_rounds = tell, False

    def __call__(self, side: int, doing: str) -> None:
        if not self._in_rounds:
            self._in_rounds = doing == TIMED_ROUND
            self._tell(EITHER if self._in_rounds else SIDES[side])


def _told(sides: Sides) -> dict[str, Any]:
    one, other = sides
    if not isinstance(one, Samples) or not isinstance(other, Samples):
        return _lost({name: side for name, side in zip(SIDES, sides, strict=True) if isinstance(side, Failure)})
    left_out = one.disturbed | other.disturbed
    pairs = enumerate(zip(one.rounds_s, other.rounds_s, strict=False))
    logs = [math.log(b / a) for turn, (a, b) in pairs if turn not in left_out and a > 0 and b > 0]
    if not logs:
        return _lost(dict.fromkeys(SIDES, Failure(Verdict.NOISY, "no round counts")))
    return {"logs": logs, "baseline_s": median(one.kept_s)}


def _lost(failures: dict[str, Failure]) -> dict[str, Any]:
    return {"lost": {side: [str(failure.verdict), failure.detail] for side, failure in failures.items()}}


def main() -> None:
    """Read the job, and answer case after case."""
    serve(_Answers(PairJob.read(Path(sys.argv[1]))).answer)


class _Answers:
    """Loads both revisions when the first case is asked for: by then what their files print is no answer any more."""

    def __init__(self, job: PairJob) -> None:
        self._job = job

    @cached_property
    def _revisions(self) -> Revisions:
        threads = self._job.threads or torch.get_num_threads()
        revisions = Revisions.load(self._job)
        torch.set_num_threads(threads)  # whatever somebody's file did while it was loaded
        gc.freeze()
        return revisions

    def answer(self, case: Case, tell: Tell) -> Any | Failure:
        return pairs_of(self._revisions, case, tell)


if __name__ == "__main__":
    main()
