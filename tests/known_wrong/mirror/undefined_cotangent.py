"""The backward counts on a cotangent for each output, and gets None for one that nobody used."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"gradient_max_ulp": ("undefined cotangent",)}
SAYS = "unsupported operand type"


class _Mirror(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        # The fault: it spares the zeros for an output that nobody used, and does not expect the None in their place.
        ctx.set_materialize_grads(not WRONG)
        return x.clone(), -x

    @staticmethod
    def backward(ctx: Any, grad_same: Tensor, grad_negative: Tensor) -> Tensor:
        return grad_same - grad_negative


def mirror(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return x and −x."""
    outputs: tuple[Tensor, Tensor] = _Mirror.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return outputs


IMPLEMENTATION = Implementation(call=mirror)
