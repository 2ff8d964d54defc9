from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge.ahead import WARM_AFTER, CompileAhead, compile_ahead
from gradgauge.cases import Case
from gradgauge.runs import RunFolder
from tests.fakes import CASE, a_case, a_job

COMPILED = [a_case(implementation=name, mode="compiled") for name in ("where", "native")]


class Process:
    def __init__(self, command: list[str], **_: Any) -> None:
        self.command, self.did = command, list[str]()
        self.stdin, self.given = io.BytesIO(), b""
        self.stdin.close = lambda: setattr(self, "given", self.stdin.getvalue())  # type: ignore[method-assign]

    def kill(self) -> None:
        self.did.append("kill")

    def wait(self) -> None:
        self.did.append("wait")


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    started: list[Process] = []

    def popen(command: list[str], **rest: Any) -> Process:
        started.append(Process(command, **rest))
        return started[-1]

    monkeypatch.setattr("subprocess.Popen", popen)
    return started


def test_compiled_cases_of_the_cpu_are_handed_over_last_first(folder: RunFolder, processes: list[Process]) -> None:
    helper = CompileAhead()
    helper.start(folder.job_json, [CASE, *COMPILED, a_case(mode="compiled", device="cuda:0")])
    (process,) = processes
    assert process.command[-2:] == ["gradgauge.ahead", str(folder.job_json)]
    assert [Case.from_json(keys) for keys in json.loads(process.given)] == COMPILED[::-1]
    helper.stop()
    helper.stop()
    assert process.did == ["kill", "wait"]


def test_without_compiled_cases_nothing_is_started(folder: RunFolder, processes: list[Process]) -> None:
    helper = CompileAhead()
    helper.start(folder.job_json, [CASE])
    helper.stop()
    assert processes == []


def test_each_case_runs_value_gradient_and_inference_and_one_that_raises_stops_nobody(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    did: list[str] = []

    def compile_call(call: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def compiled(x: Tensor) -> Tensor:
            if call.__module__.endswith("_where"):
                raise RuntimeError("does not compile")
            did.append("inference" if torch.is_inference_mode_enabled() else "gradient")
            return call(x)

        return compiled

    monkeypatch.setattr("gradgauge.compilation.compile_call", compile_call)
    monkeypatch.setattr("gradgauge.compilation.forget_compiled", lambda: did.append("forget"))
    cases = [Case.from_json({**case.to_json(), "shape": "32x32"}) for case in COMPILED]
    compile_ahead(a_job(folder, {"functions": ("relu",)}), cases)
    assert did == ["forget", "gradient", "inference", "forget"]


@pytest.mark.parametrize(
    ("traffic", "runs"), [((9, 0), WARM_AFTER), ((9, 1), 2 * WARM_AFTER), ((0, 0), 2 * WARM_AFTER)]
)
def test_it_gives_up_where_the_disk_cache_is_warm(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, traffic: tuple[int, int], runs: int
) -> None:
    forgotten: list[int] = []
    monkeypatch.setattr("gradgauge.compilation.compile_call", lambda call: call)
    monkeypatch.setattr("gradgauge.compilation.forget_compiled", lambda: forgotten.append(1))
    monkeypatch.setattr("gradgauge.compilation.cache_traffic", lambda: traffic)
    compile_ahead(a_job(folder, {"functions": ("relu",)}), COMPILED * WARM_AFTER)
    assert len(forgotten) == runs


def test_the_helper_uses_the_workers_threads(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    compile_ahead(a_job(folder, threads=1), [])
    assert used == [1]
