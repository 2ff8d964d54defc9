"""The backward works in blocks of four elements and forgets the rest, as in a tensor of one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"gradient_max_ulp": ("0-d", "ranks")}


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        grad_x = grad_output.clone().reshape(-1)
        blocked = x.numel() // 4 * 4 if WRONG else x.numel()  # the fault: no round for what the last block lacks
        grad_x[:blocked][x.reshape(-1)[:blocked] < 0] = 0
        return grad_x.reshape(x.shape)


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    y: Tensor = _Relu.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
