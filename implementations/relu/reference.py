"""clamp(min=0), differentiated by autograd."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise.

    Shapes: x is (*), floating; the result keeps its shape, dtype and device.
    VJP: grad_x = grad_output where x ≥ 0, else 0. Saves x.
    Edges: x = 0 has gradient 1; −0 stays −0 (compiled: +0); NaN stays NaN; none raise.
    Source: the article that this project starts from; PyTorch documentation, `torch.clamp`.
    """
    return x.clamp(min=0)


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
