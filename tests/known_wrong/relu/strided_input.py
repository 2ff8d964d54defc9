"""An input with strides of its own is read as if it were contiguous, forward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = {
    "value_max_ulp": ("transposed input", "strided input", "sliced input", "channels-last input"),
    "gradient_max_ulp": ("expanded input",),
}


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        # The fault of a kernel that is given a pointer and a length: it reads one element after the other.
        flat = (x if WRONG else x.contiguous()).as_strided((x.numel(),), (1,))
        return flat.clamp(min=0).reshape(x.shape)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.where(x < 0, 0, grad_output)


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    y: Tensor = _Relu.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
