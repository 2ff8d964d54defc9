"""The backward multiplies the cotangent in place, which belongs to autograd."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("inputs_unchanged",)
GREY = ("functorch",)
SAYS = "writes into its cotangent"


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.tanh()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        slope = 1 - y * y
        if WRONG and not torch.is_grad_enabled():
            return grad_output.mul_(slope)  # the fault: a copy that was spared
        grad_x: Tensor = grad_output * slope
        return grad_x


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=tanh)
