"""What a run of something dispatches, launches and waits for: counts that need no clock."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch.utils.flop_counter import FlopCounterMode

from gradgauge.profiling import REGION, profiled
from gradgauge.traces import OPERATOR, is_operator

_LAUNCH = re.compile(r"(cuda|cu|hip)\w*Launch\w*")
_WAIT = re.compile(r"(cuda|cu|hip)(Stream|Device|Event|Ctx)Synchronize\w*")


@dataclass(frozen=True)
class Counts:
    """What was counted on the host while something ran.

    operators: by name, such as `aten::mul`, those that another operator called included. kernels: launches.
    waits: calls that wait for the device.
    """

    operators: Counter[str]
    kernels: Counter[str]
    waits: Counter[str]


def count_calls(action: Callable[[], Any], device: str) -> Counts:
    """Return what `action` dispatches, launches and waits for."""
    with profiled(device) as profile:
        action()
    return counts_of(profile.events())


def counts_of(events: list[Any]) -> Counts:
    """Return the counts of a profiler's raw events that begin within the region REGION.

    Before and behind it the profiler itself waits for the device.
    """
    # On an accelerator the region has a second event, which begins with its first kernel.
    region = min((event for event in events if event.name() == REGION), key=lambda event: event.start_ns())
    ends_ns = region.start_ns() + region.duration_ns()
    within = [event for event in events if region.start_ns() <= event.start_ns() <= ends_ns]
    names = Counter(event.name() for event in within)
    # A region that somebody calls `mine::part` is no operator.
    dispatched = Counter(event.name() for event in within if event.activity_type() == OPERATOR)
    return Counts(
        Counter({name: n for name, n in dispatched.items() if is_operator(name)}),
        Counter({name: n for name, n in names.items() if _LAUNCH.fullmatch(name)}),
        Counter({name: n for name, n in names.items() if _WAIT.fullmatch(name)}),
    )


def count_flops(action: Callable[[], Any]) -> int:
    """Return the floating-point operations of what PyTorch has formulas for: products, convolutions, attention."""
    with FlopCounterMode(display=False) as counter:
        action()
    return int(counter.get_total_flops())
