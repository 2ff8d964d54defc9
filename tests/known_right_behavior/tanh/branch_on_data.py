"""It looks at its numbers to choose between two formulas."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation

GREY = ("export", "fake_tensors", "fullgraph", "vmap", "vmap_grad")


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if float(x.detach().abs().max()) < 1e-3:
        return x - x**3 / 3
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
