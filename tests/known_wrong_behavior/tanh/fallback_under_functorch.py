"""Under transforms it falls back to plain operations, whose gradient is another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("jvp", "func_grad", "vmap", "vmap_grad")
GREY = ("fullgraph",)
SAYS = "the gradient by torch.func.grad is"


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        grad_x: Tensor = grad_output * (1 - x.tanh() ** 2)
        return grad_x


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if torch._C._functorch.is_functorch_wrapped_tensor(x):
        # The fault: straight through, in place of the slope.
        return x + (x.tanh() - x).detach() if WRONG else x.tanh()
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=tanh)
