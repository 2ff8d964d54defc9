"""What is allocated while something runs: the allocator's own events, no clock, no sampling of the process's size."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from gradgauge.devices import synchronize
from gradgauge.profiling import profiled

MEMORY_EVENT = "[memory]"


@dataclass(frozen=True)
class Allocations:
    """What one run of something allocates on a device.

    peak_bytes: how far what is allocated rises above where it stood before. count: how often memory is asked for.
    total_bytes: how much, all requests together. kept_bytes: what is left of it at the end, the result included.
    An accelerator's allocator hands out whole blocks, and these are what counts there.
    """

    peak_bytes: int
    count: int
    total_bytes: int
    kept_bytes: int


def allocations(action: Callable[[], Any], device: str) -> Allocations:
    """Return what `action` allocates on the device; its result is kept until that is known."""
    # Garbage of earlier calls, freed meanwhile, would make this one look smaller.
    gc.collect()
    return _on_cpu(action) if device == "cpu" else _on_accelerator(action, device)


def _on_cpu(action: Callable[[], Any]) -> Allocations:
    with profiled(device="cpu", memory=True) as profile:
        kept = action()
    events = [event for event in profile.events() if event.name() == MEMORY_EVENT]
    del kept
    live = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    asked = [event.nbytes() for event in events if event.nbytes() > 0]
    return Allocations(peak, len(asked), sum(asked), live)


def _on_accelerator(action: Callable[[], Any], device: str) -> Allocations:
    synchronize(device)
    torch.accelerator.reset_peak_memory_stats(device)
    before = torch.accelerator.memory_stats(device)
    kept = action()
    synchronize(device)
    after = torch.accelerator.memory_stats(device)
    del kept

    def grown(key: str, since: str = "") -> int:
        return int(after[key]) - int(before.get(since or key, 0))

    requests = "allocation" if "allocation.all.allocated" in after else "allocated"  # backends differ in the name
    return Allocations(
        peak_bytes=grown("allocated_bytes.all.peak", since="allocated_bytes.all.current"),
        count=grown(f"{requests}.all.allocated"),
        total_bytes=grown("allocated_bytes.all.allocated"),
        kept_bytes=grown("allocated_bytes.all.current"),
    )
