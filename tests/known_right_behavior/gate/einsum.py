"""One contraction in place of a product."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

GREY = ()


def gate(a: Tensor, b: Tensor) -> Tensor:
    """Return a · tanh(b) elementwise, broadcasting."""
    return torch.einsum("...j,j->...j", a, b.tanh())


IMPLEMENTATION = Implementation(call=gate)
