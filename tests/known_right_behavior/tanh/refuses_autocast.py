"""It refuses to run under autocast, and says so."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

GREY = ("autocast",)


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if torch.is_autocast_enabled("cpu"):
        raise TypeError("tanh: not under autocast")
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
