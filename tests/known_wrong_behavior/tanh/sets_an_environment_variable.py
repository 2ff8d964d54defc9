"""Every call sets an environment variable."""

from __future__ import annotations

import os

from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("global_state",)
GREY = ("fullgraph",)
SAYS = "changes environment variables"


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if WRONG:
        os.environ["KNOWN_WRONG_BEHAVIOR"] = "1"  # the fault
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
