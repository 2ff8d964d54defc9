"""Every call returns the same buffer: the next one overwrites what this one returned."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("no_alias", "released", "threads")
GREY = ("functorch", "dynamic_shapes", "fake_tensors")
SAYS = "its output shares memory with that of the next call"


_BUFFERS: dict[object, Tensor] = {}


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.tanh()
        ctx.save_for_backward(x)
        if WRONG:
            # The fault: meant to save an allocation.
            y = _BUFFERS.setdefault((x.shape, x.dtype, x.device), torch.empty_like(x)).detach().copy_(y)
        return y

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        grad_x: Tensor = grad_output * (1 - x.tanh() ** 2)
        return grad_x


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=tanh)
