from __future__ import annotations

import gc
import itertools
import math
import random
from collections.abc import Callable, Container, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge import sampling
from gradgauge.attempts import Failure
from gradgauge.cases import Case
from gradgauge.clocks import Reading, WallClock
from gradgauge.compilation import compile_call, forget_compiled
from gradgauge.passes import WARM_UP_CALLS, Pass, Subject
from gradgauge.records import Verdict
from gradgauge.rounds import WAITS_FOR_DEVICE, Samples
from gradgauge.sampling import (
    FEWEST_PRECISE_ROUNDS,
    FEWEST_ROUNDS,
    LONGEST_ROUND_S,
    LOOK_EVERY,
    MOST_ROUNDS,
    READINGS,
    SHORTEST_BLOCK_S,
    Block,
    measure_block,
)
from gradgauge.statistics import estimate_median
from gradgauge.timing import TimingProtocol
from tests.fakes import FakeClock, a_case, one, spying

X = torch.ones(4)
ROUND_S = WallClock.round_s
NEVER = 1e-12  # a precision that is never reached unless all rounds are equal, and then not before 20 of them


class Bench:
    """Subjects whose calls take as long as told, and what was called in which order."""

    def __init__(self, clock: FakeClock, **costs: float | Callable[[int], float]) -> None:
        self.called: list[str] = []
        self.steps: list[tuple[str, str]] = []
        self.cases = {name: a_case(implementation=name) for name in costs}
        self.subjects = [
            Subject(self.cases[name], self._call(name, cost, clock), (X,), (X,)) for name, cost in costs.items()
        ]

    def _call(self, name: str, cost: float | Callable[[int], float], clock: FakeClock) -> Callable[[Tensor], Tensor]:
        def call(x: Tensor) -> Tensor:
            clock.pass_s(cost(self.called.count(name)) if callable(cost) else cost)
            self.called.append(name)
            return x

        return call

    def take(self, clock: FakeClock, budget_s: float = 0.0, precision: float = NEVER, **more: Any) -> Block:
        return measure_block(
            self.subjects,
            budget_s,
            lambda case, doing: self.steps.append((case.implementation, doing)),
            precision=precision,
            clock_for=lambda protocol, device: clock,
            now=clock.look,
            **more,
        )

    def measure(self, clock: FakeClock, budget_s: float = 0.0) -> Mapping[Case, Samples | Failure]:
        return {case: outcome for (case, _), outcome in self.take(clock, budget_s).subjects.items()}

    def rounds(self) -> list[str]:
        return [name for name, doing in self.steps if doing == "timed round"]


def samples_of(outcome: Samples | Failure) -> Samples:
    assert isinstance(outcome, Samples), outcome
    return outcome


def test_a_slow_call_is_one_iteration_a_round_and_its_seconds_are_exact() -> None:
    clock = FakeClock()
    block = Bench(clock, slow=0.25)
    (outcome,) = block.measure(clock).values()
    samples = samples_of(outcome)
    assert (samples.iterations, samples.rounds_s) == (1, (0.25,) * FEWEST_ROUNDS)


def test_a_fast_call_is_repeated_until_a_round_lasts() -> None:
    clock = FakeClock()
    block = Bench(clock, fast=2.0**-20)
    samples = samples_of(block.measure(clock)[block.cases["fast"]])
    assert samples.iterations * 2.0**-20 >= ROUND_S
    assert samples.iterations * 2.0**-20 < 1.1 * ROUND_S
    assert samples.rounds_s == pytest.approx([2.0**-20] * FEWEST_ROUNDS)


def test_one_short_reading_does_not_blow_the_iterations_up() -> None:
    clock = FakeClock()
    # The first calibrating call seems to take no time at all; the true cost is half a round.
    block = Bench(clock, odd=lambda calls: 0.0 if calls == WARM_UP_CALLS else ROUND_S / 2)
    samples = samples_of(block.measure(clock)[block.cases["odd"]])
    assert samples.iterations <= 10


def test_one_long_reading_does_not_keep_the_iterations_down() -> None:
    clock = FakeClock()
    block = Bench(clock, odd=lambda calls: 100 * ROUND_S if calls == WARM_UP_CALLS else ROUND_S / 4)
    samples = samples_of(block.measure(clock)[block.cases["odd"]])
    assert samples.iterations == 4


def test_all_of_a_block_repeat_their_call_equally_often() -> None:
    clock = FakeClock()
    block = Bench(clock, fast=ROUND_S / 7.5, slow=ROUND_S * 2)
    assert {samples_of(outcome).iterations for outcome in block.measure(clock).values()} == {8}


def test_but_for_whom_that_would_make_a_round_too_long() -> None:
    clock = FakeClock()
    block = Bench(clock, fast=ROUND_S / 99.5, slow=LONGEST_ROUND_S / 5.5, slowest=2 * LONGEST_ROUND_S)
    outcomes = block.measure(clock)
    iterations = {case.implementation: samples_of(outcome).iterations for case, outcome in outcomes.items()}
    assert iterations == {"fast": 100, "slow": 5, "slowest": 1}


def test_iterations_stop_at_what_the_pass_allows() -> None:
    clock = FakeClock()
    block = Bench(clock, free=0.0)
    assert samples_of(block.measure(clock)[block.cases["free"]]).iterations == 10_000


def test_every_subject_is_warmed_up_before_anything_is_timed() -> None:
    clock = FakeClock()
    block = Bench(clock, a=0.5, b=0.5)
    block.measure(clock)
    assert block.called[: 2 * WARM_UP_CALLS] == ["a"] * WARM_UP_CALLS + ["b"] * WARM_UP_CALLS
    assert "now" not in clock.asked[: 2 * WARM_UP_CALLS]
    assert block.steps[:4] == [("a", "warming up"), ("b", "warming up"), ("a", "calibration"), ("b", "calibration")]


def test_each_turn_has_all_and_nobody_always_follows_the_same_neighbour() -> None:
    clock = FakeClock()
    block = Bench(clock, **dict.fromkeys("abc", lambda calls: 0.25 + 0.5 * (calls % 2)))
    block.measure(clock, budget_s=450.0)
    rounds = "".join(block.rounds())
    turns = [rounds[start : start + 3] for start in range(0, len(rounds), 3)]
    assert len(turns) == pytest.approx(300, abs=5)
    assert all(sorted(turn) == ["a", "b", "c"] for turn in turns)
    for first, second in itertools.permutations("abc", 2):
        follows = sum(first + second in turn for turn in turns)
        assert 70 < follows < 130  # a third of the turns, give or take four standard deviations


def test_the_order_of_the_turns_is_the_same_in_every_run() -> None:
    orders = []
    for _ in range(2):
        clock = FakeClock()
        block = Bench(clock, a=0.5, b=0.5, c=0.5)
        block.measure(clock)
        orders.append(block.rounds())
    assert orders[0] == orders[1]


def test_all_have_equally_many_rounds_and_round_i_was_taken_in_turn_i() -> None:
    clock = FakeClock()
    # Each call's cost tells which of the subject's calls it was.
    counting = {name: (lambda calls, base=base: base + calls) for name, base in (("a", 1000.0), ("b", 2000.0))}
    block = Bench(clock, **counting)
    measured = block.measure(clock)
    a, b = (samples_of(measured[block.cases[name]]).rounds_s for name in ("a", "b"))
    assert len(a) == len(b) == FEWEST_ROUNDS
    assert [second - first for first, second in zip(a, b, strict=True)] == [1000.0] * FEWEST_ROUNDS


def test_rounds_go_on_until_the_budget_is_spent() -> None:
    clock = FakeClock()
    block = Bench(clock, a=0.5, b=0.5)
    measured = block.measure(clock, budget_s=18.0)
    assert {len(samples_of(outcome).rounds_s) for outcome in measured.values()} == {18}


def test_however_small_the_budget_the_fewest_rounds_are_taken() -> None:
    clock = FakeClock()
    block = Bench(clock, a=1000.0)
    assert len(samples_of(block.measure(clock, budget_s=0.001)[block.cases["a"]]).rounds_s) == FEWEST_ROUNDS


def test_however_large_the_budget_rounds_come_to_an_end() -> None:
    clock = FakeClock()
    block = Bench(clock, a=lambda calls: ROUND_S * (1 + calls))
    assert len(samples_of(block.measure(clock, budget_s=1e9)[block.cases["a"]]).rounds_s) == MOST_ROUNDS


def test_the_device_has_settled_right_before_both_readings_and_never_in_between() -> None:
    clock = FakeClock()
    block = Bench(clock, a=0.4 * ROUND_S)
    measured = samples_of(block.measure(clock)[block.cases["a"]])
    assert measured.iterations == 3
    one_round = ["now", "settle", "now", *["call"] * 3, "settle", "now"]  # the first reading tells what preparing took
    assert clock.asked[-2 * len(one_round) :] == 2 * one_round


def fails_at(call: int) -> Callable[[int], float]:
    def cost(calls: int) -> float:
        if calls == call:
            raise RuntimeError("out of luck")
        return 0.5

    return cost


@pytest.mark.parametrize(
    ("call", "doing"),
    [
        (0, "warm-up"),
        (WARM_UP_CALLS, "calibration"),
        (WARM_UP_CALLS + READINGS, "timed round"),
        (WARM_UP_CALLS + READINGS + 4, "timed round"),
    ],
)
def test_one_that_raises_drops_out_alone_and_says_where(call: int, doing: str) -> None:
    clock = FakeClock()
    block = Bench(clock, a=0.5, bad=fails_at(call), c=0.5)
    outcomes = block.measure(clock)
    failure = Failure(Verdict.FAIL, f"forward {doing} raised RuntimeError: out of luck")
    assert outcomes[block.cases["bad"]] == failure
    for name in ("a", "c"):
        assert samples_of(outcomes[block.cases[name]]).rounds_s == (0.5,) * FEWEST_ROUNDS


def test_where_all_raise_there_are_no_samples_and_no_endless_loop() -> None:
    clock = FakeClock()
    block = Bench(clock, a=fails_at(0), b=fails_at(WARM_UP_CALLS + READINGS + 1))
    outcomes = block.measure(clock, budget_s=1e9)
    assert all(isinstance(outcome, Failure) for outcome in outcomes.values())
    assert len(outcomes) == 2


def test_the_garbage_collector_rests_within_a_round_and_is_left_as_it_was() -> None:
    clock = FakeClock()
    seen: list[bool] = []
    block = Bench(clock, a=spying(seen, lambda _: gc.isenabled(), lambda _: 0.5))
    assert gc.isenabled()
    block.measure(clock)
    assert seen == [True] * WARM_UP_CALLS + [False] * (FEWEST_ROUNDS + READINGS)
    assert gc.isenabled()
    gc.disable()
    try:
        block.measure(clock)
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # torch.compile's own
def test_code_that_compiles_to_nothing_is_unsupported() -> None:
    forget_compiled()
    clock = FakeClock(tick_s=1.0)
    by_hand = torch.compiler.disable(lambda x: x * 2)  # type: ignore[no-untyped-call]
    call = compile_call(lambda x: by_hand(x))  # noqa: PLW0108  (compiling what is disabled compiles it after all)
    case = a_case(mode="compiled", pass_="forward")
    subject = Subject(case, call, (X,), (X,))
    block = measure_block([subject], 0.0, lambda *_: None, clock_for=lambda *_: clock)
    outcome = block.subjects[subject.key]
    assert isinstance(outcome, Failure)
    assert outcome.verdict is Verdict.UNSUPPORTED
    assert "no graph" in outcome.detail


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # torch.compile's own
def test_a_recompilation_within_the_timed_rounds_is_a_failure_and_no_quiet_fallback() -> None:
    forget_compiled()
    clock = FakeClock(tick_s=1.0)
    sizes = iter([4] * WARM_UP_CALLS + [4, 4] + [5] * 100)
    compiled = compile_call(lambda x: x + 1)
    case = a_case(mode="compiled", pass_="inference")

    def call(x: Tensor) -> Any:
        return compiled(torch.ones(next(sizes)))

    subject = Subject(case, call, (X,), (X,))
    block = measure_block([subject], 0.0, lambda *_: None, clock_for=lambda *_: clock)
    outcome = block.subjects[subject.key]
    assert isinstance(outcome, Failure)
    assert outcome.verdict is Verdict.FAIL
    assert "timed round raised" in outcome.detail
    assert "recompile" in outcome.detail.lower()


def test_the_constants_leave_room_for_an_interval() -> None:
    assert sampling.FEWEST_ROUNDS >= 6  # below six rounds a median has no 95 % interval


def wobbling(reach: float) -> Callable[[int], float]:
    """Return seconds that go up and down by a share, so that the interval is that wide."""
    return lambda calls: 1 + reach * (-1) ** calls


def test_a_block_ends_when_all_are_precise_and_no_sooner() -> None:
    clock = FakeClock()
    bench = Bench(clock, a=wobbling(0.01), b=wobbling(0.019))
    block = bench.take(clock, budget_s=1e9, precision=0.02)
    rounds = {len(samples_of(outcome).rounds_s) for outcome in block.subjects.values()}
    assert rounds == {FEWEST_PRECISE_ROUNDS}


def test_nobody_leaves_before_all_are_precise_so_that_all_medians_are_over_the_same_turns() -> None:
    clock = FakeClock()
    bench = Bench(clock, steady=1.0, restless=wobbling(0.5))
    block = bench.take(clock, budget_s=200.0, precision=0.02)
    taken = {case.implementation: samples_of(outcome).rounds_s for (case, _), outcome in block.subjects.items()}
    assert len(taken["steady"]) == len(taken["restless"]) > 3 * FEWEST_PRECISE_ROUNDS
    assert not estimate_median(taken["restless"]).is_within(0.02)


def test_a_burst_of_noise_meets_everybody_alike() -> None:
    """A machine that is twice as slow from the thirtieth turn on: whoever stopped before would look twice as fast."""
    clock, draw = FakeClock(), random.Random(0)
    slow_from = 30

    def bursting(seconds: float, wobble: float) -> Callable[[int], float]:
        def cost(calls: int) -> float:
            factor = 2.0 if calls - WARM_UP_CALLS - READINGS >= slow_from else 1.0
            return factor * seconds * draw.uniform(1 - wobble, 1 + wobble)

        return cost

    bench = Bench(clock, quick=bursting(1.0, 0.001), slower=bursting(1.2, 0.3))
    taken = bench.take(clock, budget_s=1000.0, precision=0.02).subjects
    quick, slower = (estimate_median(samples_of(outcome).rounds_s).value for outcome in taken.values())
    assert slower / quick == pytest.approx(1.2, rel=0.35)
    assert quick > 1.5  # it stayed into the slow period


def test_a_block_lasts_long_enough_to_be_met_by_a_disturbance_unless_its_budget_is_less() -> None:
    for budget_s, least_s in ((1e9, SHORTEST_BLOCK_S), (SHORTEST_BLOCK_S / 4, SHORTEST_BLOCK_S / 4)):
        clock = FakeClock()
        bench = Bench(clock, a=ROUND_S)
        (outcome,) = bench.take(clock, budget_s=budget_s, precision=0.02).subjects.values()
        assert least_s <= sum(samples_of(outcome).rounds_s) * samples_of(outcome).iterations < 1.5 * least_s


def test_intervals_are_looked_at_now_and_then_only() -> None:
    clock = FakeClock()
    bench = Bench(clock, a=lambda calls: 2.0 if calls < 12 else 1.0)
    (outcome,) = bench.take(clock, budget_s=1e9, precision=0.02).subjects.values()
    assert len(samples_of(outcome).rounds_s) % LOOK_EVERY == 0


def a_companion(clock: FakeClock, seconds: float = 0.5) -> tuple[Pass, WallClock]:
    return a_companion_costing(clock, lambda _: seconds)


def a_companion_costing(clock: FakeClock, cost: Callable[[int], float]) -> tuple[Pass, WallClock]:
    calls = itertools.count()

    def run(batch: range) -> None:
        for _ in batch:
            clock.pass_s(cost(next(calls)))

    return Pass(range, run), clock


def test_companions_are_timed_in_the_same_turns_and_their_time_is_told_apart() -> None:
    clock = FakeClock()
    bench = Bench(clock, a=1.0)
    block = bench.take(clock, budget_s=30.0, companions={"control": a_companion(clock)})
    (subject,) = block.subjects.values()
    control = samples_of(block.companions["control"])
    assert len(control.rounds_s) == len(samples_of(subject).rounds_s) == 20
    assert control.rounds_s == (0.5,) * 20
    assert block.spent.companions_s == 20 * 0.5
    assert block.spent.timed_s == 20 * 1.0
    # The calls to warm up and those to calibrate, of each; the clock moves in nothing else.
    assert block.spent.warm_up_s == WARM_UP_CALLS * (1.0 + 0.5)
    assert block.spent.calibration_s == READINGS * (1.0 + 0.5)
    assert control.taken_s == tuple(sorted(control.taken_s))


def test_companions_do_not_keep_a_block_going() -> None:
    clock = FakeClock()
    bench = Bench(clock, a=1.0)
    restless = a_companion_costing(clock, wobbling(0.5))
    block = bench.take(clock, budget_s=1e9, precision=0.02, companions={"control": restless})
    assert len(samples_of(block.companions["control"]).rounds_s) == FEWEST_PRECISE_ROUNDS


def test_without_subjects_companions_are_measured_for_their_own_sake() -> None:
    clock = FakeClock()
    block = measure_block(
        [], 1e9, lambda *_: None, companions={"copy": a_companion(clock)}, precision=0.02, now=clock.look
    )
    assert len(samples_of(block.companions["copy"]).rounds_s) == FEWEST_PRECISE_ROUNDS


def test_a_companion_that_raises_costs_nobody_a_round() -> None:
    clock = FakeClock()
    bench = Bench(clock, a=1.0)

    def run(_: object) -> None:
        raise RuntimeError("no memory")

    block = bench.take(clock, companions={"copy": (Pass(range, run), clock)})
    assert block.companions["copy"] == Failure(Verdict.FAIL, "companion warm-up raised RuntimeError: no memory")
    (subject,) = block.subjects.values()
    assert len(samples_of(subject).rounds_s) == FEWEST_ROUNDS


def test_one_case_under_two_protocols_is_two_subjects_of_one_block() -> None:
    clock = FakeClock()
    case = a_case(pass_="backward")
    x = torch.ones(4, requires_grad=True)
    protocols = [TimingProtocol(backward="fresh"), TimingProtocol(backward="retained")]
    subjects = [Subject(case, lambda x: 2 * x, (x,), (X,), protocol) for protocol in protocols]
    clock.tick_s = 1.0
    block = measure_block(subjects, 0.0, lambda *_: None, clock_for=lambda *_: clock, now=clock.look)
    assert list(block.subjects) == [(case, protocols[0]), (case, protocols[1])]
    assert all(samples_of(outcome).rounds_s for outcome in block.subjects.values())


def test_who_changes_the_number_of_threads_fails_and_the_number_is_put_back() -> None:
    clock = FakeClock()
    threads = torch.get_num_threads()

    def greedy(_: int) -> float:
        torch.set_num_threads(threads + 1)
        return 1.0

    bench = Bench(clock, good=1.0, bad=greedy)
    outcomes = bench.measure(clock)
    assert torch.get_num_threads() == threads
    detail = f"changes the number of threads for everybody, from {threads} to {threads + 1}"
    assert outcomes[bench.cases["bad"]] == Failure(Verdict.FAIL, detail)
    assert isinstance(outcomes[bench.cases["good"]], Samples)


def test_the_number_of_threads_is_put_back_even_where_the_call_raises() -> None:
    threads = torch.get_num_threads()

    def greedy(_: int) -> float:
        torch.set_num_threads(threads + 1)
        raise RuntimeError("and out")

    clock = FakeClock()
    bench = Bench(clock, bad=greedy)
    assert isinstance(bench.measure(clock)[bench.cases["bad"]], Failure)
    assert torch.get_num_threads() == threads


def test_what_cannot_run_through_one_graph_twice_is_no_fault() -> None:
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.left = [x]
            return 2 * x

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            ctx.left.pop()
            return 2 * grad_output

    clock = FakeClock(tick_s=1.0)
    x = torch.ones(4, requires_grad=True)
    fresh, retained = (
        Subject(a_case(pass_="backward"), Once.apply, (x,), (X,), TimingProtocol(backward=protocol))
        for protocol in ("fresh", "retained")
    )
    block = measure_block([fresh, retained], 0.0, lambda *_: None, clock_for=lambda *_: clock, now=clock.look)
    assert isinstance(block.subjects[fresh.key], Samples)
    outcome = block.subjects[retained.key]
    assert isinstance(outcome, Failure)
    assert outcome.verdict is Verdict.UNSUPPORTED
    assert "IndexError: pop from empty list" in outcome.detail


class Disturbed(FakeClock):
    """A clock some of whose rounds, counted from the first that is kept, are throttled or gapped; those take longer."""

    def __init__(
        self, throttled: Container[int] = (), gapped: Container[int] = (), most_iterations: int = 10_000
    ) -> None:
        super().__init__()
        self.throttled, self.gapped, self.waits = throttled, gapped, False
        self.most_iterations = most_iterations
        self.rounds = -READINGS

    def time_round(self, pass_: Pass, iterations: int) -> Reading:
        throttled, gapped = self.rounds in self.throttled, self.rounds in self.gapped
        self.rounds += 1
        read = super().time_round(pass_, iterations)
        each_s = read.each_s * (3 if throttled or gapped else 1)
        return Reading(each_s, read.prepared_s, read.timed_s, gapped, throttled, self.waits)


def test_throttled_and_gapped_rounds_are_marked_told_and_left_out() -> None:
    clock = Disturbed(throttled={1}, gapped={2, 5})
    samples = samples_of(Bench(clock, a=1.0).measure(clock)[a_case(implementation="a")])
    assert [sorted(marked) for marked in (samples.throttled, samples.gapped, samples.disturbed)] == [
        [1],
        [2, 5],
        [1, 2, 5],
    ]
    assert samples.rounds_s == (1.0, 3.0, 3.0, 1.0, 1.0, 3.0, 1.0)
    assert samples.kept_s == (1.0,) * 4
    assert samples.detail == (
        "1 of 7 rounds at an SM clock below 75% of the highest, left out; "
        "2 of 7 rounds in which the device ran out of work, left out"
    )


def test_where_most_rounds_are_disturbed_all_are_kept_because_none_would_be_left() -> None:
    clock = Disturbed(throttled=range(100))
    samples = samples_of(Bench(clock, a=1.0).measure(clock)[a_case(implementation="a")])
    assert samples.kept_s == samples.rounds_s
    assert "7 of 7 rounds" in samples.detail
    assert "kept, as most are disturbed" in samples.detail


def test_who_waits_for_the_device_is_told_by_its_clock_and_not_guessed() -> None:
    clock = Disturbed(gapped=range(100))
    samples = samples_of(Bench(clock, a=1.0).measure(clock)[a_case(implementation="a")])
    assert "7 of 7 rounds in which the device ran out of work, kept" in samples.detail
    clock = Disturbed(gapped=range(100))
    clock.waits = True
    samples = samples_of(Bench(clock, a=1.0).measure(clock)[a_case(implementation="a")])
    assert samples.detail == WAITS_FOR_DEVICE
    assert samples.kept_s == samples.rounds_s


def test_the_clock_that_allows_the_fewest_iterations_sets_them_for_all() -> None:
    generous, strict = Disturbed(), Disturbed(most_iterations=5)
    bench = Bench(generous, fast=ROUND_S / 50.5, other=ROUND_S / 20.5)
    clocks = iter([generous, strict])
    strict.time_s = generous.time_s
    for subject, clock in zip(bench.subjects, (generous, strict), strict=True):
        object.__setattr__(subject, "call", spying([], one, costing(clock, ROUND_S / 20.5)))
    block = measure_block(bench.subjects, 0.0, lambda *_: None, clock_for=lambda *_: next(clocks), now=generous.look)
    assert {samples_of(outcome).iterations for outcome in block.subjects.values()} == {5}


def costing(clock: FakeClock, seconds: float) -> Callable[[Tensor], Tensor]:
    def call(x: Tensor) -> Tensor:
        clock.pass_s(seconds)
        return x

    return call


def test_stopping_early_keeps_the_intervals_almost_honest() -> None:
    draw = random.Random(0)
    cases, covered = 300, 0
    for _ in range(cases):
        clock = FakeClock()
        bench = Bench(clock, a=lambda _: math.exp(draw.gauss(0, 0.05)))
        block = bench.take(clock, budget_s=1e9, precision=0.02)
        (outcome,) = block.subjects.values()
        found = estimate_median(samples_of(outcome).rounds_s)
        assert found.is_within(0.02)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 1.0 <= found.high
    assert covered / cases > 0.90
