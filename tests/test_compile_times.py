"""Compile times: cold with an empty cache each time, warm with what a cold one left; payback from paired rounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gradgauge.attempts import Failure
from gradgauge.cases import Case
from gradgauge.children import Child
from gradgauge.compile_times import ROUNDS, CompileTimes, compile_times, time_compiling
from gradgauge.gauge import Gauge
from gradgauge.records import Verdict
from gradgauge.rounds import Samples, Spent
from gradgauge.runs import RunFolder
from gradgauge.sampling import Block
from gradgauge.timing import usual_protocol
from suites import compilation
from tests.fakes import Measured, a_case, a_job, measure_here

CASE = a_case(implementation="where", mode="compiled", pass_="forward_backward")


def test_the_first_call_is_timed_less_the_second_in_an_empty_and_in_a_full_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, cached, caches = [0.0], [False], [0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    @contextmanager
    def fresh_cache() -> Iterator[None]:
        cached[0] = False
        caches[0] += 1
        yield

    def anew() -> Callable[[], None]:
        compiled = [False]

        def call() -> None:
            if not compiled[0]:
                now[0] += 0.25 if cached[0] else 2.0
                compiled[0] = cached[0] = True
            now[0] += 0.5  # the call itself

        return call

    lives: list[int] = []
    assert time_compiling(anew, fresh_cache, lambda: lives.append(1)) == ([2.0] * ROUNDS, [0.25] * ROUNDS)
    assert len(lives) == 2 * ROUNDS
    assert caches[0] == ROUNDS


@pytest.mark.slow
def test_a_process_of_its_own_compiles_with_a_cache_of_its_own(folder: RunFolder) -> None:
    beats: list[Case] = []
    found = compile_times(a_job(folder), [CASE], beats.append)[CASE]
    assert isinstance(found, CompileTimes)
    assert len(found.cold_s) == len(found.warm_s) == ROUNDS
    # Medians, thirty times apart where nothing disturbs: a cold cache that holds the code is none.
    assert median(found.cold_s) > median(found.warm_s)
    assert found.start_s > 0
    assert set(beats) == {CASE}


def samples(*rounds_s: float) -> Samples:
    return Samples(1, rounds_s)


def payback_of(eager: Samples | Failure, compiled: Samples | Failure, compile_s: float = 2.0) -> dict[str, Any]:
    """Return the one record that a block of these samples comes to."""
    filed: list[dict[str, Any]] = []

    def record(metric: Any, value: float | None, verdict: str, detail: str = "", **rest: Any) -> None:
        filed.append({"metric": metric.name, "value": value, "verdict": verdict, "detail": detail, **rest})

    def fail(metric: Any, failure: Failure, **rest: Any) -> None:
        record(metric, None, failure.verdict, failure.detail, **rest)

    protocol = usual_protocol("forward_backward", "cpu")
    subjects = {(a_case(implementation="where", pass_="forward_backward"), protocol): eager, (CASE, protocol): compiled}
    gauge = SimpleNamespace(case=CASE, record=record, fail=fail, timing=SimpleNamespace(precision=0.02))
    compilation._file_payback(cast("Gauge", gauge), "cold", compile_s, Block(subjects, {}, Spent()))
    (line,) = filed
    return line


def test_payback_is_the_compile_time_over_what_a_call_saves() -> None:
    line = payback_of(samples(*[0.5] * 8), samples(*[0.25] * 8))
    assert (line["metric"], line["value"], line["low"], line["high"]) == ("payback", 8.0, 8.0, 8.0)
    assert (line["verdict"], line["samples"], line["labels"]) == ("measured", 8, {"cache": "cold"})
    assert line["detail"] == "eager 5e+05 µs, compiled 2.5e+05 µs a call"


def test_the_interval_of_payback_is_that_of_what_a_call_saves_turned_round() -> None:
    eager = samples(3.0, 3.0, 4.0, 5.0, 6.0, 6.0)
    line = payback_of(eager, samples(*[2.0] * 6), compile_s=12.0)
    assert (line["value"], line["low"], line["high"], line["verdict"]) == (12.0 / 2.5, 3.0, 12.0, "noisy")


@pytest.mark.parametrize("compiled", [(0.5,) * 8, (0.75,) * 8, (0.25, 0.75) * 4])
def test_what_is_not_seen_to_be_faster_never_pays(compiled: tuple[float, ...]) -> None:
    line = payback_of(samples(*[0.5] * 8), samples(*compiled))
    assert (line["value"], line["verdict"]) == (None, "not-applicable")
    assert line["detail"].startswith("never seen to pay: eager 5e+05 µs")


def test_too_few_rounds_for_an_interval_are_no_payback() -> None:
    assert payback_of(samples(0.5, 0.5), samples(0.25, 0.25))["verdict"] == "not-applicable"


def test_a_side_without_times_says_why() -> None:
    line = payback_of(samples(*[0.5] * 8), Failure(Verdict.FAIL, "raised"))
    assert (line["value"], line["verdict"], line["detail"]) == (None, "fail", "raised")


def measured(folder: RunFolder, monkeypatch: pytest.MonkeyPatch, found: Any, **selection: tuple[str, ...]) -> Measured:
    def told(child: Child, job: Any, cases: list[Case], beat: Callable[[Case], None]) -> dict[Case, Any]:
        for case in cases:
            beat(case)
        return dict.fromkeys(cases, found)

    monkeypatch.setattr("gradgauge.compile_times.ask", told)
    chosen = {"devices": ("cpu",), "functions": ("relu",), "implementations": ("where",), **selection}
    return measure_here(folder, a_job(folder, chosen))


@pytest.mark.slow
def test_the_suite_files_times_and_payback_for_both_caches(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    times = {"cold_s": [3.0, 2.0, 9.0], "warm_s": [0.2, 0.1, 0.3], "start_s": 12.5}
    run = measured(folder, monkeypatch, times, suites=("compilation",))
    found = {line["labels"]["cache"]: line for line in run.find("compile_time", implementation="where")}
    assert {cache: line["value"] for cache, line in found.items()} == {"cold": 3.0, "warm": 0.2}
    assert found["cold"]["detail"] == "besides 12.5 s once a process, to start the compiler"
    paid = run.find("payback", implementation="where")
    assert [line["labels"]["cache"] for line in paid] == ["cold", "warm"]
    assert {line["mode"] for line in run.records} == {"compiled"}


@pytest.mark.slow
def test_what_died_while_it_was_compiled_has_crashed(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    run = measured(folder, monkeypatch, Failure(Verdict.CRASHED, "died"), suites=("compilation",))
    assert [(line["verdict"], line["detail"]) for line in run.records] == [("crashed", "died")]
