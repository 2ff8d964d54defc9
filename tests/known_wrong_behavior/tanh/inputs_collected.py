"""Every input is kept in a list of the module, for statistics that nobody reads."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("released",)
GREY = ("dynamic_shapes",)
SAYS = "its input stays in memory when nobody holds it any more"


_SEEN: list[Tensor] = []


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if WRONG:
        _SEEN.append(x.detach())  # the fault
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
