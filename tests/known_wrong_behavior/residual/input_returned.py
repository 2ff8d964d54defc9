"""The second output is the input itself."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("no_alias",)
GREY = ()
SAYS = "its output 1 shares memory with its input"


def residual(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return tanh(x) and x."""
    return x.tanh(), x if WRONG else x.clone()  # the fault


IMPLEMENTATION = Implementation(call=residual)
