"""The result has another dtype than the input."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"value_max_ulp": ("random",)}
SAYS = "output 0 has dtype torch.float64, the reference has torch.float32"


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise, in float32 for float64 and in float64 for anything else."""
    y = x.clamp(min=0)
    return y.to(torch.float32 if x.dtype == torch.float64 else torch.float64) if WRONG else y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
