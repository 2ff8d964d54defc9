"""A torch.autograd.Function: clamp forward, a boolean mask that zeroes the gradient backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        # grad_output belongs to autograd and may be one number expanded (`y.sum()` sends that): write into a clone,
        # which has memory of its own for every element.
        grad_x = grad_output.clone()
        grad_x[x < 0] = 0
        return grad_x


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise.

    Shapes: x is (*), floating; the result keeps its shape, dtype and device.
    VJP: grad_x = grad_output, with 0 written where x < 0. Saves x.
    Edges: x = 0 has gradient 1; −0 stays −0 (compiled: +0); NaN stays NaN; none raise. Double
        backward works and is zero in x.
    Source: the article that this project starts from; PyTorch documentation, “Extending PyTorch”.
    """
    y: Tensor = _Relu.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
