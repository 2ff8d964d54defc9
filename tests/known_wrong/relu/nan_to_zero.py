"""NaN becomes 0."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"value_nonfinite": ("nonfinite",)}
SAYS = "at (nan): 0 where nan is right"


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise, and 0 for NaN."""
    # The fault: NaN fails every comparison, so this test sends it to the zeros.
    return torch.where(x > 0, x, 0) if WRONG else torch.where(x <= 0, 0, x)


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 0.0})
