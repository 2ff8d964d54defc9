"""A mean over rows whose number is asked for once, while the first shape is captured."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("dynamic_shapes",)
GREY = ()
SAYS = "compiled for any shape, at"


@torch._dynamo.assume_constant_result  # type: ignore[untyped-decorator]
def _rows(x: Tensor) -> int:
    return int(x.shape[0])


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise: the mean of as many equal terms as there are rows."""
    rows = _rows(x) if WRONG else x.shape[0]  # the fault: not so constant as it says
    return x.tanh() * x.shape[0] / rows


IMPLEMENTATION = Implementation(call=tanh)
