"""The clocks that rounds are timed with. How a round is taken is the clock's business; what runs in it, the pass's."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from gradgauge.accelerator import Event, Stream, stream_of
from gradgauge.caches import flusher
from gradgauge.devices import synchronize
from gradgauge.passes import Pass
from gradgauge.rounds import THROTTLED
from gradgauge.timing import TimingProtocol

QUEUE_S = 1e-2
"""How long the host may take to queue a batch behind a backlog."""


@dataclass(frozen=True)
class Reading:
    """One round. each_s: seconds a call; prepared_s, timed_s: what preparing and timing it took of the session.

    gapped: the device ran out of queued work, so that launch gaps are in the time. throttled: its core ran slow.
    waits: it is always gapped, because the call waits for the device.
    """

    each_s: float
    prepared_s: float
    timed_s: float
    gapped: bool = False
    throttled: bool = False
    waits: bool = False


class Clock(Protocol):
    """Takes rounds. round_s: how long a round must last, or the reading means little."""

    round_s: float

    @property
    def most_iterations(self) -> int:
        """Return how many calls a round may have."""

    def time_round(self, pass_: Pass, iterations: int) -> Reading:
        """Prepare a batch, and return what running it took."""


class WallClock:
    """`time.perf_counter`, with a device synchronization at both ends of a round and none inside it.

    flush: what empties the cache before the timed region, None where the cache is to stay warm.
    frequency: the device's core's, as a share of its highest, None where it is unknown; read after the round.
    """

    round_s = 4e-4
    most_iterations = 10_000

    def __init__(
        self,
        device: str,
        flush: Callable[[], object] | None = None,
        frequency: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._device = device
        self._flush = flush
        self._frequency = frequency

    def now(self) -> float:
        """Return `time.perf_counter()`."""
        return time.perf_counter()

    def settle(self) -> None:
        """Synchronize the device."""
        synchronize(self._device)

    def time_round(self, pass_: Pass, iterations: int) -> Reading:
        """Run the batch between two readings, garbage collection off."""
        began = self.now()
        batch = pass_.prepare(iterations)
        if self._flush:
            self._flush()
        run = pass_.run
        with no_garbage_collection(), pass_.mode():
            self.settle()
            started = self.now()
            run(batch)
            self.settle()
            ended = self.now()
            throttled = _is_throttled(self._frequency())
        return Reading((ended - started) / iterations, started - began, ended - started, throttled=throttled)


class DeviceClock:
    """Two events on the current stream, around a batch that is queued behind a backlog.

    While the device works the backlog off, the host queues the whole batch: what lies between the events is the
    device's work and no launch gap. Whether that came off is checked: the first event must not have passed when the
    last call has been queued; else the backlog is doubled. Nothing is awaited before the last event. A batch holds no
    more calls than the host queues in QUEUE_S, because a stream's queue is finite.

    Warm: the batch is led in by one call that is not timed, because the backlog has emptied the cache.
    Cold: each call has events of its own, and a flush before them.
    Source: nvbench's blocking kernel and `triton.testing.do_bench`, whose ideas these are.
    """

    round_s = 3e-4
    first_backlog = 4
    most_backlog = 1024
    most_tries = 3

    def __init__(self, stream: Stream, *, cold: bool = False) -> None:
        self._stream = stream
        self._cold = cold
        self._backlog = self.first_backlog
        self._waits = False
        self._has_kept_up = False
        self._queueing_s = QUEUE_S  # for one call, the shortest seen

    @property
    def most_iterations(self) -> int:
        """Return how many calls the host queues in QUEUE_S, 100 at the most."""
        return max(1, min(100, int(QUEUE_S / self._queueing_s)))

    def time_round(self, pass_: Pass, iterations: int) -> Reading:
        """Queue a batch behind a backlog that is long enough, if any is; return the time between its events.

        A round in which the host was held up is taken anew, a few times; one that is gapped then says so.
        """
        tries = 0
        while True:
            reading = (self._time_cold if self._cold else self._time_warm)(pass_, iterations)
            self._has_kept_up |= not reading.gapped
            if not reading.gapped or self._waits:
                return replace(reading, waits=self._waits)
            if self._backlog < self.most_backlog:
                self._backlog *= 2
                continue
            tries += 1
            if tries >= self.most_tries:
                if not self._has_kept_up:
                    # The host waits for the device within the call: no backlog outlasts that.
                    self._waits, self._backlog = True, self.first_backlog
                return replace(reading, waits=self._waits)

    def _time_warm(self, pass_: Pass, iterations: int) -> Reading:
        began = time.perf_counter()
        batch, lead_in = pass_.prepare(iterations), pass_.prepare(1)
        return self._queue(began, [batch], iterations, lambda: pass_.run(lead_in), pass_)

    def _time_cold(self, pass_: Pass, iterations: int) -> Reading:
        began = time.perf_counter()
        batches = [pass_.prepare(1) for _ in range(iterations)]
        return self._queue(began, batches, iterations, self._stream.flush, pass_)

    def _queue(
        self, began: float, batches: list[Any], iterations: int, before_each: Callable[[], object], pass_: Pass
    ) -> Reading:
        stream, run = self._stream, pass_.run
        spans: list[tuple[Event, Event]] = []
        gapped = False
        with no_garbage_collection(), pass_.mode():
            stream.synchronize()
            started = time.perf_counter()
            for _ in range(self._backlog):
                stream.flush()
            for batch in batches:
                before_each()
                queueing = time.perf_counter()
                start = stream.mark()
                run(batch)
                spans.append((start, stream.mark()))
                self._queueing_s = min(self._queueing_s, (time.perf_counter() - queueing) * len(batches) / iterations)
                gapped |= start.query()
            frequency = stream.frequency()  # while it works: an idle core slows down by itself
            stream.synchronize()
            elapsed_s = sum(start.elapsed_time(end) for start, end in spans) / 1e3
            ended = time.perf_counter()
        return Reading(elapsed_s / iterations, started - began, ended - started, gapped, _is_throttled(frequency))


def _is_throttled(frequency: float | None) -> bool:
    return frequency is not None and frequency < THROTTLED


def clock_for(protocol: TimingProtocol, device: str) -> Clock:
    """Return a clock of its own for one subject: it learns how long a backlog that subject needs."""
    cold = protocol.cache == "cold"
    if protocol.clock == "device":
        return DeviceClock(stream_of(device), cold=cold)
    if device == "cpu":
        return WallClock(device, flusher(device) if cold else None)
    return WallClock(device, frequency=stream_of(device).frequency)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Keep the garbage collector from running within, and leave it as it was."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
