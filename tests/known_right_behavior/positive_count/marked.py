"""A Function whose output is marked as not differentiable."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation

GREY = ("functorch", "fullgraph", "dynamic_shapes")


class _Count(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        count = (x > 0).to(x.dtype).sum(dim=-1)
        ctx.mark_non_differentiable(count)
        return count

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> None:
        return None


def positive_count(x: Tensor) -> Tensor:
    """Return how many elements of each row are positive."""
    y: Tensor = _Count.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=positive_count)
