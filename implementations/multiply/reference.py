"""PyTorch's own product, differentiated by autograd."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Return a · b elementwise.

    Shapes: a is (*a), b is (*b), floating; the result has their broadcast shape.
    VJP: grad_a = grad_output · b, grad_b = grad_output · a, each summed to its input's shape. Saves what they need.
    Edges: IEEE arithmetic: 0 · inf gives NaN; none raise.
    Source: PyTorch documentation, `torch.mul`.
    """
    return a * b


IMPLEMENTATION = Implementation(call=multiply)
