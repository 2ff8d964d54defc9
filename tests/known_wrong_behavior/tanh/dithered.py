"""A dither of one unit in the last place, from a generator of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("repeatable",)
GREY = ("fake_tensors", "fullgraph", "vmap", "vmap_grad")
SAYS = "called again with the same inputs, it gives another value"


_DITHER = torch.Generator()


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y = x.tanh()
    if WRONG:
        y = y + 1e-7 * torch.rand(x.shape, generator=_DITHER, dtype=x.dtype)  # the fault: other bits at each call
    return y


IMPLEMENTATION = Implementation(call=tanh)
