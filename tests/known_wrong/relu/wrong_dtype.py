"""The result has another dtype than the input."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise, in float32 for float64 and in float64 for anything else."""
    return x.clamp(min=0).to(torch.float32 if x.dtype == torch.float64 else torch.float64)


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
