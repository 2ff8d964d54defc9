"""torch.profiler as this project uses it: quiet on the terminal, its raw events at hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch._C._profiler import _EventType, _ExperimentalConfig
from torch.profiler import ProfilerActivity, profile, record_function, schedule, tensorboard_trace_handler

from gradgauge.attempts import Unsupported
from gradgauge.cases import Case
from gradgauge.devices import synchronize

T = TypeVar("T")

WARM_UP_STEPS, STEPS = 2, 3
"""Steps that the profiler runs through before it records, and steps that it records."""
WORKER = "gradgauge"
WORK = ("cpu_op", "user_annotation")
"""The kinds of events on the host that are no calls of the device's driver."""
FORWARD, BACKWARD = "forward", "backward"
REGION = "gradgauge: looked at"
"""What the events of a profiled block lie within; before and behind it the profiler itself waits for the device."""


@dataclass
class Profiled:
    """What a profiled block came to, once it has ended."""

    profiler: profile

    def events(self) -> list[Any]:
        """Return the profiler's raw events; raise Unsupported where the block ended the profiler.

        Each has `name()`, `activity_type()`, `start_ns()`, `duration_ns()`, `start_thread_id()`.
        """
        events = list(self._results.events())
        if not any(event.name() == REGION for event in events):
            raise Unsupported("uses the profiler itself, which ends the one that looks at it")
        return events

    def memory(self) -> list[tuple[int, int]]:
        """Return each change of memory in turn: its address, and its bytes, negative where it is freed.

        Of this thread alone, so `expect_one_thread` comes first. Raises Unsupported as `events` does.
        """
        self.events()
        tree = _flat(self._results.experimental_event_tree())
        changes = [event for event in tree if event.tag == _EventType.Allocation]
        changes.sort(key=lambda event: event.start_time_ns)
        return [(event.typed[1].ptr, event.typed[1].alloc_size) for event in changes]

    @property
    def _results(self) -> Any:
        kineto = self.profiler.profiler.kineto_results if self.profiler.profiler else None
        assert kineto is not None, "the profiler gave no results"
        return kineto


def _flat(tree: list[Any]) -> Iterator[Any]:
    for event in tree:
        yield event
        yield from _flat(event.children)


@contextmanager
def profiled(device: str, *, memory: bool = False) -> Iterator[Profiled]:
    """Profile the block on the CPU, in all threads, and on the device; memory in this thread alone."""
    everywhere = _ExperimentalConfig(profile_all_threads=not memory)  # of all threads it tells no memory (torch 2.13)
    with (
        quiet_stderr(),
        profile(activities=activities(device), profile_memory=memory, experimental_config=everywhere) as profiler,
    ):
        found = Profiled(profiler)
        with record_function(REGION):
            yield found


def expect_one_thread(action: Callable[[], Any], device: str) -> None:
    """Run the action; raise Unsupported where operators run in another thread, whose memory nobody would see."""
    with profiled(device) as found:
        action()
    working = {event.start_thread_id() for event in found.events() if event.activity_type() in WORK}
    if len(working) > 1:
        raise Unsupported("runs operators in a thread of its own, whose memory the profiler does not see")


def activities(device: str) -> list[ProfilerActivity]:
    """Return what the profiler must follow to see work on the device; of some, such as `mps`, it knows nothing."""
    kind = device.partition(":")[0].upper()
    known = ProfilerActivity.__members__
    return [ProfilerActivity.CPU, *([known[kind]] if kind in known and kind != "CPU" else [])]


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep what C++ writes to file descriptor 2 off the terminal.

    The profiler of torch 2.13 writes two `USDT:` lines there each time, whatever its log level.
    """
    kept, silent = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silent)


def trace_steps(forward: Callable[[], T], backward: Callable[[T], None], case: Case, folder: Path) -> Path:
    """Run forward and backward in turns under the profiler; return the trace file, which is the folder's only one.

    Recorded are the work of the host and of the case's device, shapes, memory, Python's stacks, and two regions a step
    that are named after the case. The file is as TensorBoard's profiler plugin reads it, and opens in Perfetto, too.
    """
    on_trace: Callable[[profile], Any] = tensorboard_trace_handler(str(folder), WORKER, use_gzip=True)
    # Without `repeat` a second cycle begins, and to end it in its warm-up is a segmentation fault (torch 2.13, stacks).
    steps = schedule(wait=0, warmup=WARM_UP_STEPS, active=STEPS, repeat=1)
    with (
        quiet_stderr(),
        profile(
            activities=activities(case.device),
            schedule=steps,
            on_trace_ready=on_trace,
            record_shapes=True,
            profile_memory=True,
            with_stack=True,
        ) as profiler,
    ):
        for _ in range(WARM_UP_STEPS + STEPS):
            with record_function(f"{case.slug} {FORWARD}"):
                outputs = forward()
            with record_function(f"{case.slug} {BACKWARD}"):
                backward(outputs)
            synchronize(case.device)
            profiler.step()
    (file,) = folder.glob("*.pt.trace.json*")
    return file
