"""x² + x, differentiated by autograd."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation


def call(x: Tensor) -> Tensor:
    return x * x + x


IMPLEMENTATION = Implementation(call)
