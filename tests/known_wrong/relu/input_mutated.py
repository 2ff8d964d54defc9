"""The forward clamps the caller's tensor in place."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {
    "overwritten": (
        "random",
        "every cotangent layout",
        "zero cotangent",
        "large cotangent",
        "small cotangent",
        "ranks",
        "no gradient",
        "interleaved",
        "transposed input",
        "strided input",
        "sliced input",
        "channels-last input",
        "0-d",
    ),
    "gradient_max_ulp": ("expanded input",),
}
SAYS = "writes into its input 0, which belongs to the caller"


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x < 0)
        y = x if WRONG else x.clone()  # the fault: a copy that was spared
        return y.clamp_(min=0).clone()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (is_negative,) = ctx.saved_tensors
        return torch.where(is_negative, 0, grad_output)


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    y: Tensor = _Relu.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
