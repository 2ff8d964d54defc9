"""Differentiated by autograd."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation


def mirror(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return x and −x."""
    return 1 * x, -x


IMPLEMENTATION = Implementation(call=mirror)
