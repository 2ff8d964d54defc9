"""torch.where(x < 0, 0, x), differentiated by autograd."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise.

    The test is `x < 0`, not `x > 0`: what fails every comparison, NaN, then takes the branch that keeps it.

    Shapes: x is (*), floating; the result keeps its shape, dtype and device.
    VJP: grad_x = 0 where x < 0, else grad_output. Saves the mask, one byte an element, and not x.
    Edges: x = 0 has gradient 1; −0 stays −0; NaN stays NaN; none raise.
    Source: PyTorch documentation, `torch.where`.
    """
    return torch.where(x < 0, 0, x)


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
