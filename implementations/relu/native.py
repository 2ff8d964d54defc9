"""PyTorch's built-in torch.relu."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise.

    Shapes: x is (*), floating; the result keeps its shape, dtype and device.
    VJP: grad_x = 0 where the result ≤ 0, else grad_output. Saves the result, which costs nothing where the next
        operation keeps it too.
    Edges: x = 0 has gradient 0; −0 stays −0; NaN stays NaN; none raise.
    Source: PyTorch documentation, `torch.relu`.
    """
    return torch.relu(x)


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 0.0})
