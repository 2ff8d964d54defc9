"""Snapshots of an accelerator's allocator, for PyTorch's memory viewer (https://docs.pytorch.org/memory_viz)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from gradgauge.cases import Case
from gradgauge.devices import synchronize
from gradgauge.runs import RunFolder

MOST_EVENTS = 100_000


def can_snapshot(device: str) -> bool:
    """Whether the device's allocator keeps a history."""
    return device.startswith("cuda")


def write_snapshot(action: Callable[[], Any], case: Case, folder: RunFolder) -> None:
    """Run the action, and leave the history of what it allocates on its CUDA device in the run folder."""
    synchronize(case.device)
    memory: Any = torch.cuda.memory
    memory._record_memory_history(max_entries=MOST_EVENTS)  # noqa: SLF001  (the documented name)
    try:
        action()
        synchronize(case.device)
        folder.snapshots.mkdir(exist_ok=True)
        memory._dump_snapshot(str(folder.snapshots / f"{case.slug}.pickle"))  # noqa: SLF001  (as above)
    finally:
        memory._record_memory_history(enabled=None)  # noqa: SLF001  (as above)
