"""Where no gradient is asked for it spares the copy, and computes in the caller's memory."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("inputs_unchanged", "jvp")
GREY = ("export", "vmap")
SAYS = "(inputs without a gradient)"


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if WRONG and not x.requires_grad:
        return x.tanh_().clone()  # the fault
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
