"""Everything timed goes through `measure_block`: subjects that will be compared, measured together."""

from __future__ import annotations

import math
import random
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from gradgauge.attempts import Failure, attempt
from gradgauge.cases import Case
from gradgauge.clocks import Clock, Reading, clock_for
from gradgauge.compilation import Compiled, no_recompile
from gradgauge.passes import Pass, Subject
from gradgauge.records import Verdict
from gradgauge.rounds import Samples, Spent
from gradgauge.runners import Key, Runner, start, warm_up
from gradgauge.statistics import estimate_median
from gradgauge.timing import PRECISION, TimingProtocol

FEWEST_ROUNDS = 7
"""Below six rounds a median has no 95 % interval; these are taken however little time there is."""

FEWEST_PRECISE_ROUNDS = 20
"""No median is precise before: the interval of a few rounds may be narrow by accident."""

SHORTEST_BLOCK_S = 1.0
"""Unless its budget is less, a block lasts so long: disturbances come in bursts, and should meet it while it lasts."""

MOST_ROUNDS = 2_000
LONGEST_ROUND_S = 2e-2
"""Only whose round would last longer repeats its call less often than the others of its block."""

TIMED_ROUND = "timed round"
READINGS = 2
LOOK_EVERY = 5
LOOK_SHARE = 0.1
"""Between two looks at the intervals lie LOOK_EVERY turns, or this share of those that were taken, if that is more."""


@dataclass(frozen=True)
class Block:
    """What measuring a block came to: for each subject, and each companion, its samples or why it has none."""

    subjects: Mapping[tuple[Case, TimingProtocol], Samples | Failure]
    companions: Mapping[Key, Samples | Failure]
    spent: Spent


Step = Callable[[Case, str], None]
"""Told before each step which case is in hand and what is being done with it."""

Companion = tuple[Pass, Clock]


def measure_block(
    subjects: Sequence[Subject],
    budget_s: float,
    on_step: Step,
    *,
    precision: float = PRECISION,
    companions: Mapping[Key, Companion] | None = None,
    clock_for: Callable[[TimingProtocol, str], Clock] = clock_for,
    now: Callable[[], float] = time.monotonic,
) -> Block:
    """Return the samples of each subject, or why it has none.

    Every subject is warmed up (and so compiled) and calibrated first, to equally many calls a round. Then rounds are
    taken in turns, each turn in an order drawn anew: whoever always follows the same neighbour inherits what that one
    left in caches and allocator. The block is over when the 95 % interval of every median lies within ± `precision`
    (but not before SHORTEST_BLOCK_S), or after `budget_s` seconds (but not before FEWEST_ROUNDS turns). Nobody leaves
    sooner: on a machine that is disturbed now and then, medians over different turns would not compare. A subject that
    raises drops out and costs nobody a round.

    companions: passes that are timed in the same turns though they are no subjects; nobody waits for their precision
    unless there are no subjects.

    Ending as soon as an interval is narrow makes the interval a little too short: with independent lognormal rounds,
    the nominal 95 % covered the median in 93 to 94 % of 1,500 simulated cases (a test repeats it with fewer).
    """
    cases = {subject.key: subject.case for subject in subjects}

    def tell(key: Key, doing: str) -> None:
        if key in cases:
            on_step(cases[key], doing)

    shuffle = random.Random(0)
    turns = _Turns(budget_s, precision, tell, now, lambda alive, _: shuffle.sample(alive, len(alive)))
    compiled: dict[Case, Compiled] = {}
    for subject in subjects:
        turns.add(subject.case, subject.key, partial(warm_up, subject, clock_for, compiled))
    for key, (pass_, clock) in (companions or {}).items():
        turns.add(None, key, partial(start, key, pass_, clock))
    turns.take()
    return Block(
        {subject.key: _judged(turns.outcome(subject.key), subject.protocol) for subject in subjects},
        {key: turns.outcome(key) for key in companions or {}},
        turns.spent,
    )


Sides = tuple[Samples | Failure, Samples | Failure]


def measure_pair(
    warm_ups: tuple[Callable[[], Runner | Failure], Callable[[], Runner | Failure]],
    case: Case,
    budget_s: float,
    on_step: Callable[[int, str], None],
    now: Callable[[], float] = time.monotonic,
) -> tuple[Sides, Spent]:
    """Return the rounds of two runners of one case, taken in the order A B B A …, or why one of them has none.

    warm_ups: make the runners, which are to work on the same tensors. on_step: told which of the two, 0 or 1, is in
    hand, and what is being done with it. Both take equally many calls a round; round i of the one belongs to round i
    of the other. Who was second in one turn is first in the next, so that what changes steadily meanwhile cancels.
    The pair is over after `budget_s` seconds, but not before FEWEST_ROUNDS turns, and at once when one of them fails.
    """
    turns = _Turns(
        budget_s,
        0.0,
        lambda key, doing: on_step(int(key == 1), doing),
        now,
        lambda alive, turn: alive if turn % 2 == 0 else alive[::-1],
        needed=2,
    )
    for key, make in enumerate(warm_ups):
        turns.add(case, key, partial(_under, key, make))
    turns.take()
    return (turns.outcome(0), turns.outcome(1)), turns.spent


def _under(key: Key, make: Callable[[], Runner | Failure]) -> Runner | Failure:
    """Return what was made, known by a key of the caller's: two revisions of one case have the same of their own."""
    runner = make()
    return runner if isinstance(runner, Failure) else replace(runner, key=key)


def _judged(outcome: Samples | Failure, protocol: TimingProtocol) -> Samples | Failure:
    """Return the outcome: a limit, not a fault, where a graph was to be run through twice, which nobody promised."""
    if isinstance(outcome, Failure) and outcome.verdict is Verdict.FAIL and protocol.backward == "retained":
        return Failure(Verdict.UNSUPPORTED, outcome.detail)
    return outcome


class _Turns:
    """The runners of one block: who is still in, what became of those who are not, and where the time goes.

    order: those who are in, and the turn's number → who follows whom. needed: with fewer left in, all is over.
    """

    def __init__(
        self,
        budget_s: float,
        precision: float,
        on_step: Callable[[Key, str], None],
        now: Callable[[], float],
        order: Callable[[list[Runner], int], list[Runner]],
        *,
        needed: int = 1,
    ) -> None:
        self.spent = Spent()
        self._budget_s, self._precision, self._on_step, self._now = budget_s, precision, on_step, now
        self._order, self._needed = order, needed
        self._runners: list[Runner] = []
        self._failures: dict[Key, Failure] = {}
        self._next_look = FEWEST_PRECISE_ROUNDS

    def add(self, case: Case | None, key: Key, warm_up: Callable[[], Runner | Failure]) -> None:
        """Warm a runner up and let it take part; one that fails is out."""
        began = self._now()
        self._on_step(key, "warming up")
        runner = attempt(f"{case.pass_ if case else 'companion'} warm-up", warm_up)
        if isinstance(runner, Failure):
            self._failures[key] = runner
        else:
            self._runners.append(runner)
        self.spent.warm_up_s += self._now() - began

    def outcome(self, key: Key) -> Samples | Failure:
        """Return what became of a runner."""
        if key in self._failures:
            return self._failures[key]
        return next(runner for runner in self._runners if runner.key == key).samples()

    def take(self) -> None:
        """Calibrate, then take rounds in turns until all are precise or the budget is spent."""
        with no_recompile():
            began = self._now()
            for runner in self._runners:
                self._try(runner, "calibration", self._calibrate)
            self._agree_on_iterations()
            self.spent.calibration_s += self._now() - began
            started = self._now()
            turn = 0
            while len(alive := self._alive()) >= self._needed and not self._is_over(alive, turn, self._now() - started):
                for runner in self._order(alive, turn):
                    self._try(runner, TIMED_ROUND, self._take_round)
                turn += 1

    def _alive(self) -> list[Runner]:
        return [runner for runner in self._runners if runner.key not in self._failures]

    def _is_over(self, alive: list[Runner], turn: int, elapsed_s: float) -> bool:
        """Whether the last turn is taken: all that are judged are precise, or the time or the rounds are used up."""
        if turn < FEWEST_ROUNDS:
            return False
        if turn >= MOST_ROUNDS or elapsed_s >= self._budget_s:
            return True
        if turn < self._next_look or elapsed_s < SHORTEST_BLOCK_S:
            return False
        self._next_look = turn + max(LOOK_EVERY, int(LOOK_SHARE * turn))
        judged = [runner for runner in alive if runner.case] or alive
        return all(map(self._is_precise, judged))

    def _is_precise(self, runner: Runner) -> bool:
        return estimate_median(runner.samples().kept_s).is_within(self._precision)

    def _try(self, runner: Runner, doing: str, action: Callable[[Runner], None]) -> None:
        if runner.key in self._failures:
            return
        self._on_step(runner.key, doing)
        failure = attempt(f"{runner.name} {doing}", lambda: action(runner))
        if isinstance(failure, Failure):
            self._failures[runner.key] = failure

    def _calibrate(self, runner: Runner) -> None:
        """Find how many calls fill a round. The shortest of READINGS readings counts: what disturbs, only lengthens."""
        while True:
            readings = [runner.clock.time_round(runner.pass_, runner.iterations) for _ in range(READINGS)]
            runner.each_s = min(reading.each_s for reading in readings)
            wanted = math.ceil(runner.clock.round_s / max(runner.each_s, 1e-9))
            if wanted <= runner.iterations or runner.iterations >= runner.most_iterations:
                return
            # Ten times at once at the most: a first short reading may be an accident.
            runner.iterations = min(runner.most_iterations, wanted, runner.iterations * 10)

    def _agree_on_iterations(self) -> None:
        """Give all who are compared the same iterations: those with which the fastest fills a round.

        How many graphs and outputs a round keeps alive decides what it finds in caches and allocator, and what a pair
        of events costs is shared by the calls between them.
        """
        alike: dict[Hashable, list[Runner]] = defaultdict(list)
        for runner in self._runners:
            if runner.case and runner.key not in self._failures:
                alike[runner.group].append(runner)
        for runners in alike.values():
            wanted = max(runner.iterations for runner in runners)
            most = min(runner.most_iterations for runner in runners)
            for runner in runners:
                affordable = max(1, int(LONGEST_ROUND_S / max(runner.each_s, 1e-9)))
                runner.iterations = min(wanted, most, affordable)

    def _take_round(self, runner: Runner) -> None:
        reading = runner.clock.time_round(runner.pass_, runner.iterations)
        if reading.throttled:
            runner.throttled.add(len(runner.rounds_s))
        if reading.gapped:
            runner.gapped.add(len(runner.rounds_s))
        runner.waits |= reading.waits
        runner.rounds_s.append(reading.each_s)
        runner.taken_s.append(self._now())
        self._account(runner, reading)

    def _account(self, runner: Runner, reading: Reading) -> None:
        if runner.case is None and any(other.case for other in self._runners):
            self.spent.companions_s += reading.prepared_s + reading.timed_s
        else:
            self.spent.timed_s += reading.timed_s
            self.spent.prepared_s += reading.prepared_s
