"""The backward uses up what the forward kept, so that a second one through the same graph is wrong."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
WHERE = "eager float64"
RIGHT_IN = ("eager float32",)
RED = {"gradcheck": ("smooth",)}


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.is_positive = x >= 0
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        mask = ctx.is_positive
        grad_x: Tensor = grad_output * mask
        if WRONG:
            mask.zero_()  # the fault: meant to free memory; a plain attribute has no version counter that would notice
        return grad_x


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    y: Tensor = _Relu.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
