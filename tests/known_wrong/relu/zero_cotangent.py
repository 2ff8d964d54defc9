"""The backward takes the cotangent's sign by a division, which is 0 / 0 where that is zero."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {"gradient_nonfinite": ("zero cotangent",)}


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        size = grad_output.abs()
        sign = grad_output / size if WRONG else torch.sign(grad_output)  # the fault
        return sign * torch.where(x < 0, 0, size)


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    y: Tensor = _Relu.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
