"""The output has a graph, and the gradient through it is 0."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation

GREY = ()


def positive_count(x: Tensor) -> Tensor:
    """Return how many elements of each row are positive."""
    return (0 * x + (x > 0).to(x.dtype)).sum(dim=-1)


IMPLEMENTATION = Implementation(call=positive_count)
