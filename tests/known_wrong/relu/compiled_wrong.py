"""Right in eager mode, wrong under torch.compile."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
WHERE = "compiled float32"
RIGHT_IN = ("eager float32",)
RED = {
    "gradient_max_ulp": (
        "every element",
        "transposed cotangent",
        "strided cotangent",
        "sliced cotangent",
        "repeated cotangent",
        "large cotangent",
        "small cotangent",
        "interleaved",
    )
}


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        if torch.compiler.is_compiling():
            # Writing through a mask would break the graph. The fault: below 0 a sign is −1, and the mask should be 0.
            return grad_output * (torch.sign(x) if WRONG else torch.sign(x).clamp(min=0))
        grad_x = grad_output.clone()
        grad_x[x <= 0] = 0
        return grad_x


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    y: Tensor = _Relu.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 0.0})
