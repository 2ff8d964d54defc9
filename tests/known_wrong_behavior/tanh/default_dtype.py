"""Every call sets the default dtype."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("global_state",)
GREY = ()
SAYS = "changes the default dtype"


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if WRONG:
        torch.set_default_dtype(torch.float64)  # the fault
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
