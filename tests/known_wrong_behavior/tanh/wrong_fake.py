"""A custom operator whose description for tensors without data has another dtype."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("fake_tensors", "opcheck")
GREY = ("jvp", "func_grad", "vmap_grad")
SAYS = "on the meta device: (6, 5), torch.float64 on meta where"


@torch.library.custom_op(f"known_wrong::{'wrong' if WRONG else 'right'}_fake", mutates_args=())
def _tanh(x: Tensor) -> Tensor:
    return x.tanh()


@_tanh.register_fake
def _like(x: Tensor) -> Tensor:
    return torch.empty_like(x, dtype=torch.float64 if WRONG else x.dtype)  # the fault


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
