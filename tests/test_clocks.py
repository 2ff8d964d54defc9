from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gradgauge import clocks
from gradgauge.clocks import QUEUE_S, DeviceClock, WallClock, clock_for
from gradgauge.passes import Pass
from gradgauge.timing import TimingProtocol

FLUSH_S = 4e-5


class FakeDevice:
    """A device that works through a queue while the host goes on, both in a time of their own.

    `host_s` and `device_s` are what both clocks show. An event has a time once the device has reached it; to ask for
    it sooner raises, as the real ones do.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host_s = self.device_s = 0.0
        self.log: list[str] = []
        self.clock_share: float | None = None
        monkeypatch.setattr("time.perf_counter", lambda: self.host_s)

    def launch(self, host_s: float, device_s: float, name: str = "kernel") -> None:
        """Queue work: the host takes so long to queue it, the device so long to do it, after what it has in hand."""
        self.log.append(name)
        self.host_s += host_s
        self.device_s = max(self.device_s, self.host_s) + device_s

    def mark(self) -> FakeEvent:
        self.log.append("mark")
        return FakeEvent(self, max(self.device_s, self.host_s))

    def flush(self) -> None:
        self.launch(5e-6, FLUSH_S, "flush")

    def synchronize(self) -> None:
        self.log.append("synchronize")
        self.host_s = max(self.host_s, self.device_s)

    def frequency(self) -> float | None:
        return self.clock_share

    def calls(self, host_s: float, device_s: float, *, waits: bool = False) -> Pass:
        """Return a pass whose every call costs that much; waits: it asks for a result, as a boolean mask does."""

        def run(batch: range) -> None:
            for _ in batch:
                self.launch(host_s, device_s)
                if waits:
                    self.host_s = max(self.host_s, self.device_s)

        return Pass(range, run)


class FakeEvent:
    """Reached when the device's time is."""

    def __init__(self, device: FakeDevice, at_s: float) -> None:
        self.device, self.at_s = device, at_s

    def query(self) -> bool:
        return self.device.host_s >= self.at_s

    def synchronize(self) -> None:
        self.device.host_s = max(self.device.host_s, self.at_s)

    def elapsed_time(self, end_event: Any) -> float:
        if not end_event.query():
            raise RuntimeError("the end event has not been reached")
        return float(end_event.at_s - self.at_s) * 1e3


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> FakeDevice:
    return FakeDevice(monkeypatch)


LAUNCH_BOUND = (2e-5, 3e-6)
"""Seconds to queue, seconds to do: launched from Python, such a kernel leaves the device idle most of the time."""


def test_launch_gaps_stay_out_of_what_the_device_clock_reads(device: FakeDevice) -> None:
    clock = DeviceClock(device)
    reading = clock.time_round(device.calls(*LAUNCH_BOUND), 50)
    assert reading.each_s == pytest.approx(LAUNCH_BOUND[1])
    assert not reading.gapped


def test_without_a_backlog_the_gaps_would_be_timed_and_the_clock_says_so(device: FakeDevice) -> None:
    class Hasty(DeviceClock):
        first_backlog = most_backlog = 0

    reading = Hasty(device).time_round(device.calls(*LAUNCH_BOUND), 50)
    assert reading.each_s > 5 * LAUNCH_BOUND[1]
    assert reading.gapped


def test_a_clock_that_forgets_to_synchronize_is_caught(device: FakeDevice) -> None:
    device_that_waits = device.synchronize
    device.synchronize = lambda: None  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="not been reached"):
        DeviceClock(device).time_round(device.calls(*LAUNCH_BOUND), 50)
    device.synchronize = device_that_waits  # type: ignore[method-assign]
    DeviceClock(device).time_round(device.calls(*LAUNCH_BOUND), 50)


def test_a_wall_clock_that_forgets_to_synchronize_would_read_the_queueing_alone(
    device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = device.calls(1e-6, 1e-3)
    monkeypatch.setattr(clocks, "synchronize", lambda _: None)
    assert WallClock("cuda:0").time_round(slow, 10).each_s == pytest.approx(1e-6)
    monkeypatch.setattr(clocks, "synchronize", lambda _: device.synchronize())
    assert WallClock("cuda:0").time_round(slow, 10).each_s == pytest.approx(1e-3, rel=0.01)


def test_nothing_is_awaited_between_the_first_event_and_the_last(device: FakeDevice) -> None:
    DeviceClock(device).time_round(device.calls(*LAUNCH_BOUND), 3)
    first = device.log.index("mark")
    assert device.log[first:] == ["mark", "kernel", "kernel", "kernel", "mark", "synchronize"]
    assert "synchronize" in device.log[:first]


def test_a_warm_batch_is_led_in_by_a_call_that_is_not_timed_because_the_backlog_emptied_the_cache(
    device: FakeDevice,
) -> None:
    DeviceClock(device).time_round(device.calls(*LAUNCH_BOUND), 2)
    before = device.log[: device.log.index("mark")]
    assert before[-2:] == ["flush", "kernel"]


def test_a_cold_call_has_a_flush_before_it_and_events_of_its_own(device: FakeDevice) -> None:
    reading = DeviceClock(device, cold=True).time_round(device.calls(*LAUNCH_BOUND), 3)
    assert device.log[-13:] == ["flush", "mark", "kernel", "mark"] * 3 + ["synchronize"]
    assert reading.each_s == pytest.approx(LAUNCH_BOUND[1])  # the flushes are not in it


def test_a_backlog_grows_until_it_outlasts_the_queueing_and_is_remembered(device: FakeDevice) -> None:
    clock = DeviceClock(device)
    calls = device.calls(1e-4, 3e-6)
    assert not clock.time_round(calls, 40).gapped
    flushes = device.log.count("flush")
    assert flushes > DeviceClock.first_backlog
    device.log.clear()
    assert not clock.time_round(calls, 40).gapped
    assert device.log.count("mark") == 2  # at the first try


def test_who_waits_for_the_device_inside_the_call_is_told_and_not_waited_for_again(device: FakeDevice) -> None:
    clock = DeviceClock(device)
    waiting = device.calls(*LAUNCH_BOUND, waits=True)
    assert clock.time_round(waiting, 5).waits
    device.log.clear()
    again = clock.time_round(waiting, 5)
    assert again.gapped
    assert again.waits
    assert device.log.count("flush") == DeviceClock.first_backlog


def test_a_round_in_which_the_host_was_held_up_is_taken_anew(device: FakeDevice) -> None:
    clock = DeviceClock(device)
    calls = device.calls(*LAUNCH_BOUND)
    assert not clock.time_round(calls, 5).gapped
    held_up = iter([1.0])

    def run(batch: range) -> None:
        device.host_s += next(held_up, 0.0)
        calls.run(batch)

    lead_in_and_batch = Pass(range, run)
    assert not clock.time_round(lead_in_and_batch, 5).gapped


def test_who_once_kept_the_device_busy_is_never_said_to_wait_for_it(device: FakeDevice) -> None:
    clock = DeviceClock(device)
    assert not clock.time_round(device.calls(*LAUNCH_BOUND), 5).gapped
    slow_host = clock.time_round(device.calls(1.0, 3e-6), 5)  # a second for a call
    assert slow_host.gapped
    assert not slow_host.waits
    assert not clock.time_round(device.calls(*LAUNCH_BOUND), 5).gapped


def test_a_batch_is_no_larger_than_the_host_can_queue_in_time(device: FakeDevice) -> None:
    clock = DeviceClock(device)
    clock.time_round(device.calls(1e-3, 3e-6), 1)
    assert clock.most_iterations == int(QUEUE_S / 1e-3)
    quick = DeviceClock(device)
    quick.time_round(device.calls(1e-6, 3e-6), 1)
    assert quick.most_iterations == 100


@pytest.mark.parametrize(("share", "throttled"), [(0.74, True), (0.76, False), (None, False)])
def test_a_core_far_below_its_highest_frequency_marks_the_round(
    device: FakeDevice, share: float | None, throttled: bool
) -> None:
    device.clock_share = share
    assert DeviceClock(device).time_round(device.calls(*LAUNCH_BOUND), 5).throttled is throttled


@pytest.mark.parametrize(("share", "throttled"), [(0.74, True), (0.76, False), (None, False)])
def test_the_wall_clock_marks_throttled_rounds_of_an_accelerator_too(
    share: float | None, throttled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks, "synchronize", lambda _: None)
    clock = WallClock("cuda:0", frequency=lambda: share)
    assert clock.time_round(Pass(range, lambda _: None), 1).throttled is throttled


def test_preparing_is_told_apart_from_timing(device: FakeDevice) -> None:
    calls = device.calls(1e-5, 1e-5)

    def prepare(iterations: int) -> range:
        device.host_s += 0.5
        return range(iterations)

    reading = DeviceClock(device).time_round(Pass(prepare, calls.run), 5)
    assert reading.prepared_s == pytest.approx(1.0)  # the batch and its lead-in
    assert reading.timed_s < 0.01


def test_the_collector_rests_while_either_clock_runs(device: FakeDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "synchronize", lambda _: device.synchronize())
    seen: list[bool] = []
    watching = Pass(range, lambda _: seen.append(gc.isenabled()))
    WallClock("cuda:0").time_round(watching, 1)
    DeviceClock(device).time_round(watching, 1)
    assert seen == [False] * 3
    assert gc.isenabled()


def test_the_wall_clock_reads_perf_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([1.5, 2.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(readings))
    clock = WallClock("cpu")
    assert (clock.now(), clock.now()) == (1.5, 2.5)


def test_settling_synchronizes_the_clocks_own_device(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[str] = []
    monkeypatch.setattr(clocks, "synchronize", waited.append)
    WallClock("cuda:1").settle()
    assert waited == ["cuda:1"]


def test_a_flush_and_the_passes_mode_come_after_preparing_and_before_the_timed_region(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[str] = []

    def noting(what: str) -> Callable[..., Any]:
        def note(*_: Any) -> float:
            order.append(what)
            return 0.0

        return note

    monkeypatch.setattr("time.perf_counter", noting("read"))
    clock = WallClock("cpu", flush=noting("flush"))

    @contextmanager
    def mode() -> Iterator[None]:
        order.append("mode")
        yield
        order.append("mode left")

    clock.time_round(Pass(noting("prepare"), noting("run"), mode=mode), 1)
    assert order == ["read", "prepare", "flush", "mode", "read", "run", "read", "mode left"]


def test_each_protocol_gets_the_clock_that_it_names(monkeypatch: pytest.MonkeyPatch, device: FakeDevice) -> None:
    monkeypatch.setattr(clocks, "stream_of", lambda _: device)
    flush = device.flush
    monkeypatch.setattr(clocks, "flusher", lambda _: flush)
    wall, cold = clock_for(TimingProtocol(), "cpu"), clock_for(TimingProtocol(cache="cold"), "cpu")
    assert isinstance(wall, WallClock)
    assert isinstance(cold, WallClock)
    assert wall._flush is None
    device.clock_share = 0.5
    on_accelerator = clock_for(TimingProtocol(), "cuda:0")
    assert isinstance(on_accelerator, WallClock)
    assert on_accelerator._frequency() == 0.5
    assert cold._flush == flush
    on_device = clock_for(TimingProtocol("device", "cold"), "cuda:0")
    assert isinstance(on_device, DeviceClock)
    assert on_device._cold
    assert clock_for(TimingProtocol("device"), "cuda:0") is not clock_for(TimingProtocol("device"), "cuda:0")
