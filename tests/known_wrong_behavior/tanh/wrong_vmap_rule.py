"""The hand-written vmap rule takes the mapped dimension for the first."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("vmap",)
GREY = ("jvp", "vmap_grad")
SAYS = "under vmap over the last dimension"


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.tanh()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        grad_x: Tensor = grad_output * (1 - x.tanh() ** 2)
        return grad_x

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], x: Tensor) -> tuple[Tensor, int]:
        y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
        return y, 0 if WRONG else in_dims[0]  # the fault


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=tanh)
