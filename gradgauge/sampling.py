"""Everything timed goes through `measure_block`: subjects that will be compared, measured together."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from gradgauge.attempts import Failure, attempt
from gradgauge.calling import outputs_of
from gradgauge.cases import Case
from gradgauge.clocks import Clock
from gradgauge.compilation import NO_GRAPH, Watch, no_recompile
from gradgauge.passes import Pass, Subject, pass_of
from gradgauge.records import Verdict

ROUND_S = 1e-3
"""A round repeats a fast call until it lasts about this long, so that reading the clock costs nothing in comparison."""

FEWEST_ROUNDS = 7
MOST_ROUNDS = 2_000
WARM_UP_CALLS = 3


@dataclass(frozen=True)
class Samples:
    """The rounds of one case. rounds_s: seconds a call, one entry a round; iterations: calls in a round.

    Round i of every case of a block was taken in the same turn. detail: what ran otherwise than the mode says.
    """

    iterations: int
    rounds_s: tuple[float, ...]
    detail: str = ""


@dataclass
class _Runner:
    subject: Subject
    pass_: Pass
    detail: str = ""
    iterations: int = 1
    rounds_s: list[float] = field(default_factory=list)


Step = Callable[[Case, str], None]
"""Told before each step which case is in hand and what is being done with it."""


def measure_block(
    subjects: Sequence[Subject], budget_s: float, clock: Clock, on_step: Step
) -> dict[Case, Samples | Failure]:
    """Return the samples of each subject, or why it has none.

    Every subject is warmed up (and so compiled) and calibrated first; then rounds are taken in turns, the starting
    subject rotating, until `budget_s` seconds have gone into rounds. At least FEWEST_ROUNDS turns are taken. A subject
    that raises drops out and costs nobody else a round.
    """
    outcomes: dict[Case, Samples | Failure] = {}
    runners = []
    for subject in subjects:
        on_step(subject.case, "warming up")
        runner = attempt(f"{subject.case.pass_} warm-up", lambda subject=subject: _warm_up(subject))  # type: ignore[misc]
        if isinstance(runner, Failure):
            outcomes[subject.case] = runner
        else:
            runners.append(runner)
    with no_recompile():
        runners = _surviving(runners, outcomes, lambda runner: _calibrate(runner, clock), "calibration", on_step)
        _take_turns(runners, outcomes, budget_s, clock, on_step)
    done = {runner.subject.case: runner for runner in runners if runner.subject.case not in outcomes}
    for case, runner in done.items():
        outcomes[case] = Samples(runner.iterations, tuple(runner.rounds_s), runner.detail)
    return outcomes


def _warm_up(subject: Subject) -> _Runner | Failure:
    watch = Watch() if subject.case.mode == "compiled" else None
    runner = _Runner(subject, pass_of(subject))
    for _ in range(WARM_UP_CALLS):
        runner.pass_.run(runner.pass_.prepare(1))
    if watch:
        compiled = watch.compiled(
            () if subject.case.pass_ == "inference" else outputs_of(subject.call(*subject.inputs))
        )
        if not compiled.graphs:
            return Failure(Verdict.UNSUPPORTED, NO_GRAPH)
        runner.detail = compiled.detail
    return runner


def _calibrate(runner: _Runner, clock: Clock) -> None:
    while True:
        elapsed_s = _time_round(runner, clock)
        most = runner.pass_.most_iterations
        if elapsed_s >= ROUND_S or runner.iterations >= most:
            return
        wanted = runner.iterations * ROUND_S / max(elapsed_s, 1e-9)
        # Ten times at once at the most: a first short reading may be an accident.
        runner.iterations = min(most, int(min(max(wanted, runner.iterations * 2), runner.iterations * 10)))


def _take_turns(
    runners: list[_Runner], outcomes: dict[Case, Samples | Failure], budget_s: float, clock: Clock, on_step: Step
) -> None:
    started = clock.now()
    turn = 0
    while runners and turn < MOST_ROUNDS and (turn < FEWEST_ROUNDS or clock.now() - started < budget_s):
        first = turn % len(runners)
        order = runners[first:] + runners[:first]
        surviving = _surviving(order, outcomes, lambda runner: _take_round(runner, clock), "timed round", on_step)
        runners = [runner for runner in runners if runner in surviving]
        turn += 1


def _surviving(
    runners: list[_Runner],
    outcomes: dict[Case, Samples | Failure],
    action: Callable[[_Runner], None],
    doing: str,
    on_step: Step,
) -> list[_Runner]:
    surviving = []
    for runner in runners:
        case = runner.subject.case
        on_step(case, doing)
        failure = attempt(f"{case.pass_} {doing}", lambda runner=runner: action(runner))  # type: ignore[misc]
        if isinstance(failure, Failure):
            outcomes[case] = failure
        else:
            surviving.append(runner)
    return surviving


def _take_round(runner: _Runner, clock: Clock) -> None:
    runner.rounds_s.append(_time_round(runner, clock) / runner.iterations)


def _time_round(runner: _Runner, clock: Clock) -> float:
    """Return the seconds that one round of `iterations` calls takes."""
    batch = runner.pass_.prepare(runner.iterations)
    run = runner.pass_.run
    with _no_garbage_collection():
        clock.settle()
        started = clock.now()
        run(batch)
        clock.settle()
        return clock.now() - started


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
