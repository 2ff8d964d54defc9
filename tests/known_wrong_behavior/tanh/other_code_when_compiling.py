"""While torch.compile or torch.export looks on, it takes a polynomial."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("fullgraph", "dynamic_shapes", "export")
GREY = ()
SAYS = "captured as one graph, the value is"


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if WRONG and torch.compiler.is_compiling():
        return x - x**3 / 3  # the fault: right near 0 alone
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
