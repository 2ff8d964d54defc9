"""At the kink the slope is 0.5, as torch.maximum shares it between equal numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    return torch.maximum(x, torch.zeros_like(x))


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 0.5})
