"""What it says of tensors without data is written by hand, and has another dtype."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("fake_tensors",)
GREY = ()
SAYS = "on the meta device: (6, 5), torch.float16 on meta where"


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if x.is_meta:
        return torch.empty_like(x, dtype=torch.float16 if WRONG else x.dtype)  # the fault
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
