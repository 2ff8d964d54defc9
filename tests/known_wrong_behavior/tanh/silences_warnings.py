"""Every call silences all warnings of the process."""

from __future__ import annotations

import warnings

from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("global_state",)
GREY = ("fullgraph",)
SAYS = "changes warning filters"


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if WRONG:
        warnings.filterwarnings("ignore")  # the fault
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
