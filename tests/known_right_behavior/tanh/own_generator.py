"""A random algorithm with a generator of its own, seeded anew at each call."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

GREY = ("fake_tensors", "fullgraph", "vmap", "vmap_grad")


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise: the mean of two halves, split at random."""
    share = torch.rand(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    y = x.tanh()
    return y * share + y * (1 - share)


IMPLEMENTATION = Implementation(call=tanh)
