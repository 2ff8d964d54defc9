"""The mask is kept with the class, so that a second forward overwrites what the first backward needs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"gradient_max_ulp": ("interleaved",)}


class _Relu(torch.autograd.Function):
    is_negative: Tensor

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        if WRONG:
            _Relu.is_negative = x < 0  # the fault: `ctx` belongs to one call, the class to all of them
        else:
            ctx.save_for_backward(x < 0)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        is_negative = _Relu.is_negative if WRONG else ctx.saved_tensors[0]
        return torch.where(is_negative, 0, grad_output)


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    y: Tensor = _Relu.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
