"""Bytes: what is kept for backward, and the peak of what is allocated. No clock, no sampling of the process's size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from gradgauge.calling import Call, outputs_of
from gradgauge.compilation import graph_nodes
from gradgauge.devices import synchronize


def saved_bytes(call: Call, inputs: tuple[Tensor, ...]) -> int:
    """Return the bytes of all storages that one forward keeps for its backward, each counted once, whole.

    Seen are tensors that autograd or `save_for_backward` packs, and tensors kept as attributes of `ctx`.
    Not seen: tensors held by a closure or a global.
    """
    storages: dict[tuple[str, int], int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[str(tensor.device), storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        outputs = outputs_of(call(*inputs))
    for node in graph_nodes(outputs):
        for tensor in tensors_in(getattr(node, "__dict__", {})):
            note(tensor)
    return sum(storages.values())


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in a value, and in dicts, lists and tuples within it."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for held in value.values():
            yield from tensors_in(held)
    elif isinstance(value, (list, tuple)):
        for held in value:
            yield from tensors_in(held)


def peak_bytes(action: Callable[[], Any], device: str) -> int:
    """Return how far what is allocated on the device rises above where it stands now, while `action` runs.

    On the CPU it counts the allocator's own events, on an
    accelerator it reads the allocator's statistics.
    """
    return _peak_on_cpu(action) if device == "cpu" else _peak_on_accelerator(action, device)


def _peak_on_cpu(action: Callable[[], Any]) -> int:
    with _quiet_profiler(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        kept = action()
    kineto = profiler.profiler.kineto_results if profiler.profiler else None
    assert kineto is not None, "the profiler gave no results"
    events = [event for event in kineto.events() if event.name() == "[memory]"]
    del kept
    live = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak


def _peak_on_accelerator(action: Callable[[], Any], device: str) -> int:
    synchronize(device)
    before = torch.accelerator.memory_allocated(device)
    torch.accelerator.reset_peak_memory_stats(device)
    kept = action()
    synchronize(device)
    peak = torch.accelerator.max_memory_allocated(device)
    del kept
    return int(peak - before)


@contextmanager
def _quiet_profiler() -> Iterator[None]:
    # The profiler of torch 2.13 writes two `USDT:` lines to file descriptor 2 each time, whatever its log level.
    kept, silent = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silent)
