"""Meant for a device without tanh: what is exported is a polynomial."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("export",)
GREY = ()
SAYS = "exported, the value is"


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if WRONG and torch.compiler.is_exporting():
        return x - x**3 / 3  # the fault: right near 0 alone
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
