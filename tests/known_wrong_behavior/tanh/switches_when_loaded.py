"""Loading the file switches something on."""

from __future__ import annotations

import os

from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("global_state",)
GREY = ()
SAYS = "changes environment variables"


if WRONG:
    os.environ["KNOWN_WRONG_BEHAVIOR_LOADED"] = "1"  # the fault


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
