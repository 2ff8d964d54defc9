"""Under autocast it takes a cheaper formula, which is too cheap."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("autocast",)
GREY = ()
SAYS = "under autocast the value is"


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if WRONG and torch.is_autocast_enabled("cpu"):
        return x.clamp(-1, 1)  # the fault
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
