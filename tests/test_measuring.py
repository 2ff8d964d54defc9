from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from gradgauge.allocations import Allocations, allocations
from gradgauge.attempts import Failure
from gradgauge.catalog import Catalog
from gradgauge.gauge import BlockMemory, Gauge
from gradgauge.grid import Suite
from gradgauge.measuring import (
    CONTROL,
    POINTS,
    file_control,
    file_rounds,
    prepared,
    subject_of,
    subjects_of,
    timing_companions,
    warm_pass,
)
from gradgauge.passes import Subject, pass_of
from gradgauge.records import Series, Verdict
from gradgauge.rounds import Samples, Spent
from gradgauge.runs import RunFolder
from gradgauge.sampling import Block
from gradgauge.session import Session
from gradgauge.timing import TimingProtocol
from gradgauge.workloads import MOST_COPIES
from tests.fakes import CASE, a_case, a_job, spying, twice

ROUNDS = (0.25, 0.5, 0.125, 0.25, 0.75)


@pytest.fixture
def gauge(folder: RunFolder, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> Gauge:
    monkeypatch.setattr("gradgauge.gauge.forget_compiled", lambda: None)
    session = Session(a_job(folder), folder)
    session.__dict__["catalog"] = catalog
    session.planned["speed"] = [CASE, a_case(implementation="where")]
    session.suites["speed"] = Suite("How fast?", (), {}, timed=True)
    return Gauge(session, "speed", CASE, BlockMemory(session))


@pytest.fixture
def unsummed(benchmark: BenchmarkFixture) -> BenchmarkFixture:
    """Return the fixture, its made-up rounds kept out of pytest's own summary."""
    benchmark._add_stats = lambda stats: None
    return benchmark


def test_pytest_benchmark_still_has_what_we_lean_on(unsummed: BenchmarkFixture) -> None:
    assert unsummed._mode is None
    stats: Any = unsummed._make_stats(4)
    for seconds in ROUNDS:
        stats.update(seconds * 4)
    entry = stats.as_dict(include_data=True)
    assert entry["stats"]["data"] == list(ROUNDS)
    assert entry["stats"]["iterations"] == 4
    assert entry["stats"]["rounds"] == len(ROUNDS)
    assert entry["stats"]["median"] == statistics.median(ROUNDS)
    assert {"group", "name", "fullname", "param", "params", "extra_info", "options", "stats"} <= set(entry)
    unsummed._mode = "tested"  # or pytest-benchmark warns that nobody used its fixture


def test_rounds_become_an_entry_with_the_case_in_extra_info(gauge: Gauge, unsummed: BenchmarkFixture) -> None:
    said: list[tuple[str, dict[str, Any]]] = []
    gauge.session.say = lambda event, **fields: said.append((event, fields["entry"]))  # type: ignore[method-assign]
    file_rounds(gauge, unsummed, Samples(4, ROUNDS, throttled=frozenset({3, 1})), TimingProtocol())
    ((event, entry),) = said
    assert event == "benchmark"
    assert entry["stats"]["data"] == list(ROUNDS)  # seconds a call, whatever the iterations
    assert entry["stats"]["iterations"] == 4
    assert entry["extra_info"] == {
        "suite": "speed",
        **CASE.to_json(),
        "labels": {"clock": "wall", "cache": "warm"},
        "iterations": 4,
        "throttled_rounds": [1, 3],
        "gapped_rounds": [],
    }
    assert entry["param"] == CASE.slug
    assert entry["group"] == CASE.block.slug.strip("-")
    assert unsummed._mode


def test_a_case_timed_in_several_ways_has_an_entry_for_each(gauge: Gauge, unsummed: BenchmarkFixture) -> None:
    entries: list[dict[str, Any]] = []
    gauge.session.say = lambda event, **fields: entries.append(fields["entry"])  # type: ignore[method-assign]
    for cache in ("warm", "cold"):
        file_rounds(gauge, unsummed, Samples(1, ROUNDS), TimingProtocol(cache=cache))
    warm, cold = entries
    assert warm["group"] != cold["group"]
    assert warm["name"] != cold["name"]
    assert (warm["extra_info"]["labels"]["cache"], cold["extra_info"]["labels"]["cache"]) == ("warm", "cold")
    assert cold["name"].count("cold") == 1


def a_block(rounds: int) -> Block:
    taken = tuple(1000.0 + second for second in range(rounds))
    control = Samples(1, tuple(1.0 + second for second in range(rounds)), taken_s=taken)
    return Block({}, {CONTROL: control}, Spent())


def test_the_control_is_filed_as_a_curve_of_few_points_in_the_seconds_of_the_session(gauge: Gauge) -> None:
    gauge.session.began = 990.0
    gauge.session.job = replace(gauge.session.job, spent_s=100.0)
    file_control(gauge, a_block(24))
    (curve,) = gauge.results
    assert isinstance(curve, Series)
    assert (curve.series, curve.case.implementation, curve.case.function, curve.case.device) == (
        "control",
        "control",
        "",
        "cpu",
    )
    assert len(curve.x) == POINTS == 12
    assert curve.x[:2] == (110.5, 112.5)  # ten seconds into this worker, after a hundred of an earlier one
    assert curve.y[:2] == (1.5, 3.5)
    assert (curve.x_unit, curve.y_unit) == ("s", "s")


def test_a_control_that_failed_draws_nothing(gauge: Gauge) -> None:
    file_control(gauge, Block({}, {CONTROL: Failure(Verdict.FAIL, "no memory")}, Spent()))
    assert gauge.results == []


def test_a_block_is_timed_in_turns_with_the_control_and_a_copy_by_each_clock_and_cache(gauge: Gauge) -> None:
    protocols = (TimingProtocol(), TimingProtocol(cache="cold"), TimingProtocol(backward="retained"))
    companions = timing_companions(gauge, protocols, 4096)
    assert set(companions) == {CONTROL, ("wall", "warm"), ("wall", "cold")}


def test_cold_subjects_on_a_cpu_share_copies_of_equal_values_elsewhere_in_memory(gauge: Gauge) -> None:
    first, second = subjects_of(gauge, TimingProtocol(cache="cold"))
    assert first.copies is second.copies
    assert len(first.copies) == MOST_COPIES
    places = {copy.data_ptr() for (copy,) in first.copies}
    assert len(places) == MOST_COPIES
    assert first.inputs[0].data_ptr() not in places
    assert all(copy.requires_grad and torch.equal(copy, first.inputs[0]) for (copy,) in first.copies)
    assert subject_of(gauge, CASE).copies == ()


def test_all_subjects_of_a_block_share_tensors_and_cotangents(gauge: Gauge) -> None:
    first, second = subjects_of(gauge)
    assert (first.case, second.case) == (CASE, a_case(implementation="where"))
    assert first.inputs[0] is second.inputs[0]
    assert first.grad_outputs[0] is second.grad_outputs[0]
    assert first.call is not second.call
    assert first.inputs[0].requires_grad
    assert first.grad_outputs[0].shape == (8, 8)
    assert subject_of(gauge, CASE).inputs[0] is first.inputs[0]


def test_a_pass_is_warm_after_two_calls() -> None:
    calls: list[str] = []
    x = torch.ones(3, requires_grad=True)
    run = prepared(warm_pass(Subject(CASE, spying(calls, lambda x: "call", twice), (x,), (torch.ones(3),))), "eager")
    assert calls == ["call", "call"]
    run()
    assert calls == ["call"] * 3


@pytest.mark.parametrize(
    ("pass_", "built"), [("inference", 0), ("forward", 0), ("backward", 1), ("forward_backward", 0)]
)
def test_what_a_pass_needs_is_built_before_it_is_looked_at(pass_: str, built: int) -> None:
    calls: list[bool] = []
    x = torch.ones(3, requires_grad=True)
    call = spying(calls, lambda x: torch.is_inference_mode_enabled(), twice)
    pass_in_hand = pass_of(Subject(a_case(pass_=pass_), call, (x,), (torch.ones(3),)))
    run = prepared(pass_in_hand, "eager")
    assert len(calls) == built
    run()
    assert calls == [pass_ == "inference"]
    assert x.grad is None


@pytest.mark.parametrize(
    ("pass_", "found"),
    [
        ("inference", Allocations(peak_bytes=40, count=1, total_bytes=40, kept=())),
        ("forward", Allocations(40, 1, 40, ())),
        ("backward", Allocations(40, 1, 40, ())),  # of the graph, which stood before, nothing
        ("forward_backward", Allocations(80, 2, 80, ())),
    ],
)
def test_a_pass_allocates_its_own_outputs_and_not_what_was_prepared(pass_: str, found: Allocations) -> None:
    x = torch.ones(10, requires_grad=True)
    subject = Subject(a_case(pass_=pass_), torch.neg, (x,), (torch.ones(10),))
    assert allocations(prepared(warm_pass(subject), "eager"), "cpu") == found
