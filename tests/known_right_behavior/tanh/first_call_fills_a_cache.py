"""The first call of a shape fills a cache, which later ones read."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

GREY = ("dynamic_shapes", "fake_tensors")


_ONES: dict[object, Tensor] = {}


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    key = (x.shape, x.dtype, x.device)
    if key not in _ONES:
        _ONES[key] = torch.ones(x.shape, dtype=x.dtype, device=x.device)
    return x.tanh() * _ONES[key]


IMPLEMENTATION = Implementation(call=tanh)
