from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from gradgauge.attempts import Unsupported
from gradgauge.cases import Case
from gradgauge.profiling import (
    BACKWARD,
    FORWARD,
    STEPS,
    WARM_UP_STEPS,
    activities,
    expect_one_thread,
    profiled,
    quiet_stderr,
    trace_steps,
)
from gradgauge.traces import REGION, Trace
from tests.fakes import CASE, a_case

CPU = ProfilerActivity.CPU


@pytest.mark.parametrize(
    ("device", "followed"),
    [
        ("cpu", [CPU]),
        ("cuda", [CPU, ProfilerActivity.CUDA]),
        ("cuda:0", [CPU, ProfilerActivity.CUDA]),
        ("xpu:1", [CPU, ProfilerActivity.XPU]),
        ("mps:0", [CPU]),  # PyTorch's profiler does not know it
    ],
)
def test_the_host_is_followed_and_the_device_where_it_is_another(device: str, followed: list[ProfilerActivity]) -> None:
    assert activities(device) == followed


def test_raw_events_tell_what_was_dispatched() -> None:
    with profiled("cpu") as found:
        torch.ones(3).neg()
    assert {"aten::ones", "aten::neg"} <= {event.name() for event in found.events()}


def in_a_thread() -> None:
    thread = Thread(target=lambda: torch.ones(3).neg())
    thread.start()
    thread.join()


def test_memory_is_told_by_address_and_in_turn() -> None:
    with profiled("cpu", memory=True) as found:
        x = torch.empty(1000)
        y = x.neg().exp()
    ((first, *bytes_), *rest) = found.memory()
    assert (first, bytes_) == (x.data_ptr(), [4000])
    (asked, _), (result, _), (freed, _) = rest
    assert [size for _, size in rest] == [4000, 4000, -4000]
    assert (asked, result) == (freed, y.data_ptr())


def test_what_runs_in_another_thread_is_told_too() -> None:
    with profiled("cpu") as found:
        in_a_thread()
    assert {"aten::ones", "aten::neg"} <= {event.name() for event in found.events()}


def test_one_thread_is_expected_where_memory_is_looked_at() -> None:
    expect_one_thread(lambda: torch.ones(3).neg(), "cpu")
    with pytest.raises(
        Unsupported, match="runs operators in a thread of its own, whose memory the profiler does not see"
    ):
        expect_one_thread(in_a_thread, "cpu")


@pytest.mark.parametrize("memory", [False, True])
def test_who_uses_the_profiler_itself_is_not_looked_at(*, memory: bool) -> None:
    with profiled("cpu", memory=memory) as found, profiled("cpu"):
        torch.ones(3)
    with pytest.raises(Unsupported, match="uses the profiler itself, which ends the one that looks at it"):
        (found.memory if memory else found.events)()


# --- standard error -------------------------------------------------------------------------------------------------


def profile_plainly() -> None:
    with profiled("cpu"):
        torch.ones(3).neg()


def profile_memory() -> None:
    with profiled("cpu", memory=True):
        torch.ones(3).neg()


def raise_within() -> None:
    with pytest.raises(ZeroDivisionError), profiled("cpu"):
        _ = 1 // 0


def write_within() -> None:
    with quiet_stderr():
        os.write(2, b"USDT: nobody wants to know\n")


@pytest.mark.parametrize("action", [profile_plainly, profile_memory, raise_within, write_within])
def test_nothing_reaches_standard_error_and_what_follows_does(
    action: Callable[[], None], capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        action()
    os.write(2, b"still here")
    assert capfd.readouterr() == ("", "still here")


def test_pytorchs_profiler_still_has_lines_that_nobody_wants(capfd: pytest.CaptureFixture[str]) -> None:
    """Where this fails, `quiet_stderr` can go."""
    with profile(activities=[CPU]):
        torch.ones(3)
    assert "USDT" in capfd.readouterr().err


def test_no_file_descriptor_is_left_open() -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    profile_plainly()
    before = count()
    for _ in range(5):
        profile_plainly()
    assert count() == before


# --- traces ---------------------------------------------------------------------------------------------------------


def traced(folder: Path, case: Case = CASE) -> tuple[Path, list[str]]:
    """Return the trace of a forward and a backward, and the calls that it took."""
    x, calls = torch.ones(64, requires_grad=True), list[str]()

    def forward() -> Tensor:
        calls.append("forward")
        return x.exp()

    def backward(y: Tensor) -> None:
        calls.append("backward")
        torch.autograd.backward(y, torch.ones(64))

    return trace_steps(forward, backward, case, folder), calls


def test_a_trace_is_the_one_file_of_its_folder_and_reads_back(tmp_path: Path) -> None:
    file, calls = traced(tmp_path / "traces" / CASE.slug)
    assert list((tmp_path / "traces" / CASE.slug).iterdir()) == [file]
    assert file.name.startswith("gradgauge.")
    assert file.name.endswith(".pt.trace.json.gz")
    assert calls == ["forward", "backward"] * (WARM_UP_STEPS + STEPS)
    trace = Trace.read(file)
    assert [step.name for step in trace.steps] == [f"ProfilerStep#{WARM_UP_STEPS + step}" for step in range(STEPS)]


def test_the_regions_of_each_step_are_named_after_the_case(tmp_path: Path) -> None:
    case = a_case(implementation="where", dtype="bfloat16")
    trace = Trace.read(traced(tmp_path, case)[0])
    for step in trace.steps:
        regions = [span for span in trace.within(step) if span.kind == REGION]
        assert [region.name for region in regions] == [f"{case.slug} {FORWARD}", f"{case.slug} {BACKWARD}"]
        operators = [[child.name for child in region.children] for region in regions]
        assert all(operators)
        names = [span.name for span in trace.within(step)]
        assert names.count("aten::exp") == 1
        assert names.count("ExpBackward0") == 1


def test_the_device_is_awaited_before_each_step_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("gradgauge.profiling.synchronize", told.append)
    monkeypatch.setattr("gradgauge.profiling.activities", lambda device: [CPU])
    traced(tmp_path, a_case(device="cuda:0"))
    assert told == ["cuda:0"] * (WARM_UP_STEPS + STEPS)


def test_tracing_writes_nothing_to_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    traced(tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("call", [1, WARM_UP_STEPS, WARM_UP_STEPS + 1, WARM_UP_STEPS + STEPS])
def test_what_raises_while_it_is_traced_does_so_and_nothing_stays_on(
    tmp_path: Path, call: int, capfd: pytest.CaptureFixture[str]
) -> None:
    calls: list[int] = []

    def forward() -> None:
        calls.append(1)
        if len(calls) == call:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        trace_steps(forward, lambda _: None, CASE, tmp_path)
    assert not torch._C._autograd._profiler_enabled()
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"
