"""Every call switches deterministic algorithms on."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("global_state",)
GREY = ()
SAYS = "changes deterministic algorithms"


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if WRONG:
        torch.use_deterministic_algorithms(True)  # the fault
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
