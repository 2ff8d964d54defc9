"""The forward allocates and touches memory, 256 MiB at a time, until the process is killed."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

STEP_BYTES = 256 * 2**20


# Under torch.compile this must happen when the code runs, not while it is traced.
@torch.compiler.disable  # type: ignore[untyped-decorator]  # torch leaves it untyped
def _eat_memory() -> None:
    eaten = []
    while True:
        eaten.append(torch.ones(STEP_BYTES, dtype=torch.uint8))  # ones, not empty: untouched pages cost nothing


def relu(x: Tensor) -> Tensor:
    """Never return."""
    _eat_memory()
    return x.clamp(min=0)


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
