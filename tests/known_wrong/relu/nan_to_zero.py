"""NaN and −0 become +0."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise, and 0 for NaN."""
    return torch.where(x > 0, x, 0)


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 0.0})
