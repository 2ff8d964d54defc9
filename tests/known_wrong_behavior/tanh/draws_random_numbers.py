"""Every call draws from the global generator, and makes no use of it."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("global_state",)
GREY = ("vmap", "vmap_grad")
SAYS = "changes torch's random numbers"


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if WRONG:
        torch.rand(3)  # the fault
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
