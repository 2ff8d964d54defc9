"""Autocast narrows its input, where PyTorch leaves this function in the dtype that it is given."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("autocast",)
GREY = ("functorch",)
SAYS = "output 0 is torch.bfloat16 where torch.float32 is right"


class _Tanh(torch.autograd.Function):
    @staticmethod
    # The fault: this cast is for products of matrices.
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.bfloat16 if WRONG else None)  # type: ignore[untyped-decorator]
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.tanh()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        grad_x: Tensor = grad_output * (1 - y * y)
        return grad_x


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=tanh)
