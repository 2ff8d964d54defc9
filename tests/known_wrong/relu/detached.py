"""No gradient flows back: the graph is cut on the way."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"value_max_ulp": ("random",)}
SAYS = "no output is connected to an input"


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    # The fault: `.detach()`, like `.data` or a trip through NumPy, leaves the value right and cuts the graph.
    return (x.detach() if WRONG else x).clamp(min=0)


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
