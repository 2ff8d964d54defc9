"""Every call seeds the global generator, to be repeatable."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("global_state",)
GREY = ("fullgraph",)
SAYS = "changes torch's random numbers"


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if WRONG:
        torch.manual_seed(0)  # the fault
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
