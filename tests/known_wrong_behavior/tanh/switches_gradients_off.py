"""Every call switches gradients on for good, whatever the caller had."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("global_state",)
GREY = ()
SAYS = "changes whether gradients are recorded"


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if WRONG:
        torch.set_grad_enabled(True)  # the fault
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
