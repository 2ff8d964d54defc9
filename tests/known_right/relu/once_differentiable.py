"""The backward refuses to be differentiated itself, which is unsupported and not wrong."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gradgauge.model import Implementation


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.where(x < 0, 0, grad_output)


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    y: Tensor = _Relu.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
