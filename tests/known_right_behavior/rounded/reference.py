"""The identity by the detour of a difference that is held constant."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation


def rounded(x: Tensor) -> Tensor:
    """Return round(x), with the gradient of x."""
    return x + (x.round() - x).detach()


IMPLEMENTATION = Implementation(call=rounded)
