"""The last cache before memory: how large it is, and how to empty it of what a call is about to read."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch

FALLBACK_BYTES = 64 * 2**20
"""Taken where the device does not tell."""

TIMES_OVER = 2
"""A flush goes through this many times the cache's size, because caches do not evict strictly in order."""

MOST_FLUSHED_BYTES = 2**30

_CORES = "/sys/devices/system/cpu"
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


@cache
def cache_bytes(device: str) -> int | None:
    """Return the size of the device's last caches, as the device tells it; None where it does not."""
    if device == "cpu":
        return _last_level_bytes()
    kind, _, index = device.partition(":")
    with suppress(AttributeError, RuntimeError):  # a kind of device that does not describe itself
        properties = getattr(torch, kind).get_device_properties(int(index or 0))
        return getattr(properties, "L2_cache_size", None) or None
    return None


def _last_level_bytes() -> int | None:
    """Return the size of the largest cache of each usable core, those that share one counted once."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}
    shared: dict[str, int] = {}
    for core in usable:
        sizes = {file.parent: _read_size(file) for file in Path(_CORES, f"cpu{core}", "cache").glob("index*/size")}
        if sizes:
            largest = max(sizes, key=lambda level: sizes[level])
            shared[_read(largest / "shared_cpu_list") or f"cpu{core}"] = sizes[largest]
    return sum(shared.values()) or None


def _read(file: Path) -> str:
    return file.read_text(encoding="ascii").strip() if file.is_file() else ""


def _read_size(file: Path) -> int:
    text = file.read_text(encoding="ascii").strip()
    return int(text.rstrip("KMG")) * _UNITS.get(text[-1:], 1)


def flush_bytes(device: str) -> int:
    """Return how much memory a flush of the device's cache goes through."""
    return min(MOST_FLUSHED_BYTES, TIMES_OVER * (cache_bytes(device) or FALLBACK_BYTES))


@cache
def flusher(device: str) -> Callable[[], object]:
    """Return what empties the device's last cache of everything else; on an accelerator it is queued, not awaited."""
    buffer = torch.ones(flush_bytes(device) // 4, dtype=torch.int32, device=device)
    return buffer.zero_
