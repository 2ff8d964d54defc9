"""A product of −0 is +0."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"value_zero_sign": ("edges",)}


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Return a · b elementwise."""
    # The fault: adding 0 changes nothing but −0, which 1 / y tells from 0.
    return torch.addcmul(torch.zeros_like(a * b), a, b) if WRONG else a * b


IMPLEMENTATION = Implementation(call=multiply)
