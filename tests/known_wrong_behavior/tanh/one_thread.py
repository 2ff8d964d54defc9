"""Every call sets the number of threads to one."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("global_state",)
GREY = ("fullgraph",)
SAYS = "changes the number of threads"


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if WRONG:
        torch.set_num_threads(1)  # the fault
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
