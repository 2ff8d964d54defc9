"""The forward takes no ctx: what is saved is said in setup_context, as torch.func asks for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation


class _Relu(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clamp(min=0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.where(x < 0, 0, grad_output)


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise."""
    y: Tensor = _Relu.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
