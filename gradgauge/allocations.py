"""What is allocated while something runs: the allocator's own events, no clock, no sampling of the process's size."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from gradgauge.devices import synchronize
from gradgauge.profiling import profiled


@dataclass(frozen=True)
class Allocations:
    """What one run of something allocates on a device.

    peak_bytes: how far what is allocated rises above where it stood before. count: how often memory is asked for.
    total_bytes: how much, all requests together. kept: the bytes of each request that is left of it at the end, the
    result included; on an accelerator their sum alone.
    Earlier memory that it frees does not count on a CPU, and lowers what an accelerator tells. An accelerator's
    allocator hands out whole blocks, and these are what counts there.
    """

    peak_bytes: int
    count: int
    total_bytes: int
    kept: tuple[int, ...]


def allocations(action: Callable[[], Any], device: str) -> Allocations:
    """Return what `action` allocates on the device; its result is kept until that is known."""
    if device != "cpu":  # whose statistics would go down where garbage of earlier calls is freed meanwhile
        gc.collect()
    with _no_collection():
        return _on_cpu(action) if device == "cpu" else _on_accelerator(action, device)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Leave garbage alone: when Python collects it hangs on what ran before, and so would what is alive at once."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _on_cpu(action: Callable[[], Any]) -> Allocations:
    with profiled(device="cpu", memory=True) as profile:
        kept = action()
    changes = profile.memory()
    del kept
    alive: dict[int, int] = {}  # address → bytes
    live = peak = 0
    for address, size in changes:
        # What was there before is not counted: of that the profiler knows a size only by chance, and a stale one.
        live += size if size > 0 else -alive.pop(address, 0)
        if size > 0:
            alive[address] = size
        peak = max(peak, live)
    asked = [size for _, size in changes if size > 0]
    return Allocations(peak, len(asked), sum(asked), tuple(sorted(alive.values())))


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
        kept=(grown("allocated_bytes.all.current"),),
    )
