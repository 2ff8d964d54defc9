from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge import sampling
from gradgauge.attempts import Failure
from gradgauge.cases import Case
from gradgauge.compilation import compile_call, forget_compiled
from gradgauge.passes import Subject
from gradgauge.records import Verdict
from gradgauge.sampling import FEWEST_ROUNDS, MOST_ROUNDS, ROUND_S, WARM_UP_CALLS, Samples, measure_block
from tests.fakes import FakeClock, a_case, spying

X = torch.ones(4)


class Block:
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

    def measure(self, clock: FakeClock, budget_s: float = 0.0) -> Mapping[Case, Samples | Failure]:
        return measure_block(
            self.subjects, budget_s, clock, lambda case, doing: self.steps.append((case.implementation, doing))
        )

    def rounds(self) -> list[str]:
        return [name for name, doing in self.steps if doing == "timed round"]


def samples_of(outcome: Samples | Failure) -> Samples:
    assert isinstance(outcome, Samples), outcome
    return outcome


def test_a_slow_call_is_one_iteration_a_round_and_its_seconds_are_exact() -> None:
    clock = FakeClock()
    block = Block(clock, slow=0.25)
    (outcome,) = block.measure(clock).values()
    assert outcome == Samples(1, (0.25,) * FEWEST_ROUNDS)


def test_a_fast_call_is_repeated_until_a_round_lasts() -> None:
    clock = FakeClock()
    block = Block(clock, fast=2.0**-20)
    samples = samples_of(block.measure(clock)[block.cases["fast"]])
    assert samples.iterations * 2.0**-20 >= ROUND_S
    assert samples.iterations * 2.0**-20 < 3 * ROUND_S
    assert samples.rounds_s == pytest.approx([2.0**-20] * FEWEST_ROUNDS)


def test_one_short_reading_does_not_blow_the_iterations_up() -> None:
    clock = FakeClock()
    # The first calibrating call seems to take no time at all; the true cost is half a round.
    block = Block(clock, odd=lambda calls: 0.0 if calls == WARM_UP_CALLS else ROUND_S / 2)
    samples = samples_of(block.measure(clock)[block.cases["odd"]])
    assert samples.iterations <= 10


def test_iterations_stop_at_what_the_pass_allows() -> None:
    clock = FakeClock()
    block = Block(clock, free=0.0)
    assert samples_of(block.measure(clock)[block.cases["free"]]).iterations == 10_000


def test_every_subject_is_warmed_up_before_anything_is_timed() -> None:
    clock = FakeClock()
    block = Block(clock, a=0.5, b=0.5)
    block.measure(clock)
    assert block.called[: 2 * WARM_UP_CALLS] == ["a"] * WARM_UP_CALLS + ["b"] * WARM_UP_CALLS
    assert "now" not in clock.asked[: 2 * WARM_UP_CALLS]
    assert block.steps[:4] == [("a", "warming up"), ("b", "warming up"), ("a", "calibration"), ("b", "calibration")]


def test_the_starting_subject_rotates_and_each_turn_has_all() -> None:
    clock = FakeClock()
    block = Block(clock, a=0.5, b=0.5, c=0.5)
    block.measure(clock)
    turns = ["".join(block.rounds()[start : start + 3]) for start in range(0, len(block.rounds()), 3)]
    assert turns == ["abc", "bca", "cab"] * 2 + ["abc"]


def test_all_have_equally_many_rounds_and_round_i_was_taken_in_turn_i() -> None:
    clock = FakeClock()
    # Each call's cost tells which of the subject's calls it was.
    counting = {name: (lambda calls, base=base: base + calls) for name, base in (("a", 1000.0), ("b", 2000.0))}
    block = Block(clock, **counting)
    measured = block.measure(clock)
    a, b = (samples_of(measured[block.cases[name]]).rounds_s for name in ("a", "b"))
    assert len(a) == len(b) == FEWEST_ROUNDS
    assert [second - first for first, second in zip(a, b, strict=True)] == [1000.0] * FEWEST_ROUNDS


def test_rounds_go_on_until_the_budget_is_spent() -> None:
    clock = FakeClock()
    block = Block(clock, a=0.5, b=0.5)
    measured = block.measure(clock, budget_s=20.0)
    assert {len(samples_of(outcome).rounds_s) for outcome in measured.values()} == {20}


def test_however_small_the_budget_the_fewest_rounds_are_taken() -> None:
    clock = FakeClock()
    block = Block(clock, a=1000.0)
    assert len(samples_of(block.measure(clock, budget_s=0.001)[block.cases["a"]]).rounds_s) == FEWEST_ROUNDS


def test_however_large_the_budget_rounds_come_to_an_end() -> None:
    clock = FakeClock()
    block = Block(clock, a=ROUND_S)
    assert len(samples_of(block.measure(clock, budget_s=1e9)[block.cases["a"]]).rounds_s) == MOST_ROUNDS


def test_the_device_has_settled_right_before_both_readings_and_never_in_between() -> None:
    clock = FakeClock()
    block = Block(clock, a=0.4 * ROUND_S)  # one call is too short a round, two are, four are not
    measured = samples_of(block.measure(clock)[block.cases["a"]])
    assert measured.iterations == 4
    assert clock.asked[-9:-1] == ["settle", "now", "call", "call", "call", "call", "settle", "now"]
    reading = [index for index, what in enumerate(clock.asked) if what == "now"]
    around = [index for index in reading if "call" in clock.asked[index - 2 : index + 2]]
    assert around
    assert all(clock.asked[index - 1] == "settle" for index in around)


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
        (WARM_UP_CALLS + 1, "timed round"),
        (WARM_UP_CALLS + 4, "timed round"),
    ],
)
def test_one_that_raises_drops_out_alone_and_says_where(call: int, doing: str) -> None:
    clock = FakeClock()
    block = Block(clock, a=0.5, bad=fails_at(call), c=0.5)
    outcomes = block.measure(clock)
    failure = Failure(Verdict.FAIL, f"forward {doing} raised RuntimeError: out of luck")
    assert outcomes[block.cases["bad"]] == failure
    for name in ("a", "c"):
        assert samples_of(outcomes[block.cases[name]]).rounds_s == (0.5,) * FEWEST_ROUNDS


def test_where_all_raise_there_are_no_samples_and_no_endless_loop() -> None:
    clock = FakeClock()
    block = Block(clock, a=fails_at(0), b=fails_at(WARM_UP_CALLS + 2))
    outcomes = block.measure(clock, budget_s=1e9)
    assert all(isinstance(outcome, Failure) for outcome in outcomes.values())
    assert len(outcomes) == 2


def test_the_garbage_collector_rests_within_a_round_and_is_left_as_it_was() -> None:
    clock = FakeClock()
    seen: list[bool] = []
    block = Block(clock, a=spying(seen, lambda _: gc.isenabled(), lambda _: 0.5))
    assert gc.isenabled()
    block.measure(clock)
    assert seen == [True] * WARM_UP_CALLS + [False] * (FEWEST_ROUNDS + 1)
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
    outcome = measure_block([Subject(case, call, (X,), (X,))], 0.0, clock, lambda *_: None)[case]
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

    outcome = measure_block([Subject(case, call, (X,), (X,))], 0.0, clock, lambda *_: None)[case]
    assert isinstance(outcome, Failure)
    assert outcome.verdict is Verdict.FAIL
    assert "timed round raised" in outcome.detail
    assert "recompile" in outcome.detail.lower()


def test_the_constants_leave_room_for_an_interval() -> None:
    assert sampling.FEWEST_ROUNDS >= 6  # below six rounds a median has no 95 % interval
