from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch

from gradgauge import gauge as subject
from gradgauge.attempts import Failure
from gradgauge.cases import Case
from gradgauge.catalog import Catalog
from gradgauge.gauge import BlockMemory, Gauge
from gradgauge.grid import Suite
from gradgauge.records import Metric, Profile, Verdict
from gradgauge.rounds import Spent
from gradgauge.runs import RunFolder
from gradgauge.session import Session
from tests.fakes import CASE, a_case, a_job

METRIC = Metric("time", "s", "lower", exact=False)
SUITE = Suite("How fast?", (METRIC,), {}, budget_s={"quick": 10.0})


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each time that compiled code is dropped, instead of dropping it."""
    told: list[str] = []
    monkeypatch.setattr(subject, "forget_compiled", lambda: told.append("forgotten"))
    monkeypatch.setattr("gc.freeze", lambda: None)
    return told


def builder(built: list[int], value: object = "tensors") -> Callable[[], Any]:
    def build() -> object:
        built.append(1)
        return value

    return build


BLOCK_MATES = (CASE, a_case(implementation="where"), a_case(mode="compiled"))
BACKWARD = a_case(pass_="backward")


@pytest.mark.parametrize("suite", ["speed", "memory"])
def test_what_a_block_shares_is_built_once(session: Session, forgotten: list[str], suite: str) -> None:
    memory, built = BlockMemory(session), list[int]()
    for case in BLOCK_MATES:
        assert memory.once(suite, case, "inputs", builder(built)) == "tensors"
    assert memory.once(suite, CASE, "truths", lambda: "others") == "others"
    assert built == [1]
    assert forgotten == ["forgotten"]


@pytest.mark.parametrize("suite", ["speed", "memory"])
@pytest.mark.parametrize("changes", [{"dtype": "float16"}, {"shape": "9"}, {"layout": "strided"}])
def test_other_tensors_start_from_nothing(
    session: Session, forgotten: list[str], changes: dict[str, str], suite: str
) -> None:
    memory, built = BlockMemory(session), list[int]()
    for case in (CASE, a_case(**changes), CASE):
        memory.once(suite, case, "inputs", builder(built))
    assert len(built) == len(forgotten) == 3


@pytest.mark.parametrize(("suite", "times"), [("speed", 2), ("memory", 1)])
def test_each_pass_has_compiled_code_of_its_own_only_where_a_clock_is_read(
    session: Session, forgotten: list[str], suite: str, times: int
) -> None:
    memory = BlockMemory(session)
    for case in (CASE, BACKWARD):
        memory.once(suite, case, "call", lambda: 1)
    assert len(forgotten) == times


def test_a_block_that_has_begun_is_known(session: Session, forgotten: list[str]) -> None:
    memory = BlockMemory(session)
    assert not memory.holds("speed", CASE)
    memory.once("speed", CASE, "x", lambda: 1)
    assert all(memory.holds("speed", case) for case in BLOCK_MATES)
    assert not memory.holds("speed", BACKWARD)
    assert not memory.holds("memory", CASE)


def test_another_suite_has_blocks_of_its_own(session: Session, forgotten: list[str]) -> None:
    memory = BlockMemory(session)
    assert memory.once("speed", CASE, "x", lambda: 1) == 1
    assert memory.once("memory", CASE, "x", lambda: 2) == 2


def test_none_is_a_value_that_is_built_once(session: Session, forgotten: list[str]) -> None:
    memory, built = BlockMemory(session), list[int]()
    for _ in range(2):
        memory.once("speed", CASE, "x", builder(built, None))
    assert built == [1]


@pytest.mark.usefixtures("forgotten")
def test_an_accelerator_gives_its_cache_back_between_blocks(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    emptied: list[int] = []
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "empty_cache", lambda: emptied.append(1))
    BlockMemory(session).once("speed", CASE, "x", lambda: 1)
    assert emptied == [1]


@pytest.fixture
def session(folder: RunFolder, catalog: Catalog) -> Session:
    session = Session(a_job(folder), folder)
    session.__dict__["catalog"] = catalog
    session.__dict__["devices"] = ("cpu",)
    session.suites |= {"speed": replace(SUITE, timed=True), "memory": SUITE}
    session.planned["speed"] = [CASE, a_case(implementation="where"), a_case(pass_="backward")]
    return session


def a_gauge(session: Session, case: Case = CASE) -> Gauge:
    return Gauge(session, "speed", case, BlockMemory(session))


@pytest.mark.usefixtures("forgotten")
def test_a_gauge_gives_the_cases_function_call_and_block(session: Session, catalog: Catalog) -> None:
    gauge = a_gauge(session)
    assert gauge.entry is catalog.functions["relu"]
    assert gauge.call(CASE) is gauge.entry.reference.implementation.call
    assert gauge.block() == [CASE, a_case(implementation="where")]
    assert gauge.seed == 0


@pytest.mark.usefixtures("forgotten")
def test_a_compiled_call_is_the_same_object_all_through_a_block(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "compile_call", partial)  # a new object each time
    gauge = a_gauge(session)
    compiled = a_case(mode="compiled")
    assert gauge.call(compiled) is gauge.call(compiled)
    assert gauge.call(compiled) is not gauge.call(a_case(mode="compiled", implementation="where"))
    assert gauge.call(compiled) is not gauge.call(CASE)


def planned(session: Session, budget_s: float | None) -> None:
    """Give the suite, which has two blocks, its seconds."""
    blocks = [CASE.block, a_case(shape="4x4").block]
    session.budgets.plan("speed", budget_s, blocks, blocks)


def test_a_block_gets_its_even_share_of_the_suites_seconds(session: Session) -> None:
    planned(session, 10.0)
    assert a_gauge(session).block_budget_s() == 5.0  # two blocks, ten seconds


def test_what_a_block_did_not_use_later_ones_get(session: Session) -> None:
    planned(session, 10.0)
    a_gauge(session).spend(Spent(timed_s=1.0, prepared_s=0.5, companions_s=0.5, warm_up_s=100.0))
    assert a_gauge(session, a_case(shape="4x4")).block_budget_s() == 8.0


def test_where_the_seconds_went_is_told_to_the_journal(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(session, 10.0)
    said: list[dict[str, Any]] = []
    monkeypatch.setattr(session, "say", lambda event, **fields: said.append({"event": event, **fields}))
    a_gauge(session).spend(Spent(timed_s=1.0, prepared_s=0.5))
    seconds = {"timed_s": 1.0, "prepared_s": 0.5, "companions_s": 0.0, "warm_up_s": 0.0, "calibration_s": 0.0}
    assert said == [{"event": "spent", "suite": "speed", "seconds": seconds}]


def test_without_a_bound_a_block_gets_three_seconds(session: Session) -> None:
    planned(session, None)
    assert a_gauge(session).block_budget_s() == 3.0


@pytest.mark.parametrize(("left_s", "budget_s"), [(100.0, 5.0), (2.0, 2.0), (-1.0, 0.0)])
def test_no_block_gets_more_than_the_deadline_leaves(
    session: Session, monkeypatch: pytest.MonkeyPatch, left_s: float, budget_s: float
) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    session.began = 900.0
    session.job = replace(session.job, limit_s=100.0 + left_s)
    planned(session, 10.0)
    assert a_gauge(session).block_budget_s() == pytest.approx(budget_s)


def test_what_is_recorded_carries_suite_case_and_unit(session: Session) -> None:
    gauge = a_gauge(session)
    rest: dict[str, Any] = {"low": 1.0, "high": 3.0, "samples": 9, "labels": {"input": "a"}}
    gauge.record(METRIC, 2.0, "measured", "fine", **rest)
    gauge.fail(METRIC, Failure(Verdict.FAIL, "it broke"))
    gauge.series("value", [0.0], [1.0], y_unit="1")
    good, bad, curve = gauge.results
    assert (good.suite, good.case, good.metric, good.value, good.unit) == ("speed", CASE, "time", 2.0, "s")  # type: ignore[union-attr]
    assert (good.low, good.high, good.samples, good.labels) == (1.0, 3.0, 9, {"input": "a"})  # type: ignore[union-attr]
    assert gauge.failures == [bad]
    assert (curve.series, curve.x, curve.y, curve.y_unit) == ("value", (0.0,), (1.0,), "1")  # type: ignore[union-attr]


def test_a_profile_is_a_result_and_no_failure(session: Session) -> None:
    gauge, found = a_gauge(session), Profile(CASE, "traces/x.json", 1.0, (), ())
    gauge.profile(found)
    assert gauge.results == [found]
    assert gauge.failures == []


def test_traces_go_into_the_run_folder(session: Session, folder: RunFolder) -> None:
    assert a_gauge(session).traces == folder.traces


def test_traces_of_a_session_without_a_folder_go_where_nobody_keeps_them(session: Session) -> None:
    session.folder = None
    traces = a_gauge(session).traces
    assert traces.is_dir()
    assert not list(traces.iterdir())
    traces.rmdir()


def test_an_unknown_verdict_is_refused(session: Session) -> None:
    with pytest.raises(ValueError, match="splendid"):
        a_gauge(session).record(METRIC, 1.0, "splendid")
