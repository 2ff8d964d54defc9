"""The backward returns the derivative without grad_output, as if all of that were 1."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {
    "gradient_max_ulp": (
        "every element",
        "transposed cotangent",
        "strided cotangent",
        "sliced cotangent",
        "channels-last cotangent",
        "large cotangent",
        "small cotangent",
        "ranks",
        "zero cotangent",
        "interleaved",
        "every input layout",
        "0-d",
    ),
    "kink_slope": ("x = 0",),
}


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        slope = torch.where(x < 0, 0, torch.ones_like(x))
        return slope if WRONG else slope * grad_output  # the fault: right after y.sum(), whose cotangent is 1


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    y: Tensor = _Relu.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
