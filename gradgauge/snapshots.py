"""Snapshots of an accelerator's allocator, for PyTorch's memory viewer (https://docs.pytorch.org/memory_viz)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from gradgauge.cases import Case
from gradgauge.devices import synchronize
from gradgauge.runs import RunFolder

MOST_EVENTS = 100_000


def write_snapshot(action: Callable[[], Any], case: Case, folder: RunFolder) -> None:
    """Run the action and leave the history of what it allocates on a CUDA device; do nothing on another device."""
    if not case.device.startswith("cuda"):
        return
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
