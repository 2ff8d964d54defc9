"""A custom operator that writes into a buffer it is given, and says in its schema that it writes nowhere."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("opcheck",)
GREY = ("jvp", "func_grad", "vmap_grad")
SAYS = "Argument scratch is not defined as mutable but was mutated"


@torch.library.custom_op(f"known_wrong::{'undeclared' if WRONG else 'unused'}_scratch", mutates_args=())
def _tanh(x: Tensor, scratch: Tensor) -> Tensor:
    if WRONG:
        scratch.copy_(x)  # the fault: `mutates_args` does not name it
    return x.tanh()


@_tanh.register_fake
def _like(x: Tensor, scratch: Tensor) -> Tensor:
    return torch.empty_like(x)


def _save(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(output)


def _backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
    (y,) = ctx.saved_tensors
    return grad_output * (1 - y * y), None


_tanh.register_autograd(_backward, setup_context=_save)


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    y: Tensor = _tanh(x, torch.zeros_like(x))
    return y


IMPLEMENTATION = Implementation(call=tanh)
