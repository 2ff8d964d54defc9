"""Both outputs are views of one tensor."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

GREY = ()


def residual(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return tanh(x) and x."""
    both = torch.stack((x.tanh(), x), dim=-1)
    return both[..., 0], both[..., 1]


IMPLEMENTATION = Implementation(call=residual)
