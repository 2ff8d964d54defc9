"""A scratch buffer of the module is shared by all threads."""

from __future__ import annotations

import threading
from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("threads",)
GREY = ("functorch", "dynamic_shapes", "fake_tensors")
SAYS = "called from two threads at once"


_SCRATCH: dict[object, Tensor] = {}


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        # The fault: one buffer for all threads.
        key = (x.shape, x.dtype, x.device, 0 if WRONG else threading.get_ident())
        scratch = _SCRATCH.setdefault(key, torch.empty_like(x))
        scratch.copy_(x)
        for _ in range(4):
            scratch.neg_()
        y = scratch.tanh()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        grad_x: Tensor = grad_output * (1 - y * y)
        return grad_x


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=tanh)
