"""It takes other code for the shape that it was tuned for."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation

GREY = ("dynamic_shapes",)


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if x.shape[0] == 6:
        return x.tanh()
    return 2 * (2 * x).sigmoid() - 1


IMPLEMENTATION = Implementation(call=tanh)
