"""A custom operator of torch.library, with its gradient registered."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

GREY = ("jvp", "func_grad", "vmap_grad")


@torch.library.custom_op("known_right::tanh", mutates_args=())
def _tanh(x: Tensor) -> Tensor:
    return x.tanh()


@_tanh.register_fake
def _like(x: Tensor) -> Tensor:
    return torch.empty_like(x)


def _save(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
    ctx.save_for_backward(output)


def _backward(ctx: Any, grad_output: Tensor) -> Tensor:
    (y,) = ctx.saved_tensors
    grad_x: Tensor = grad_output * (1 - y * y)
    return grad_x


_tanh.register_autograd(_backward, setup_context=_save)


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _tanh(x)
    return y


IMPLEMENTATION = Implementation(call=tanh)
