"""The backward loops forever."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradgauge.model import Implementation


# Under torch.compile this must happen when the code runs, not while it is traced.
@torch.compiler.disable  # type: ignore[untyped-decorator]  # torch leaves it untyped
def _loop_forever() -> None:
    while True:
        pass


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        _loop_forever()
        return grad_output


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0) elementwise; its backward never returns."""
    y: Tensor = _Relu.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return y


IMPLEMENTATION = Implementation(call=relu, convention={"x = 0": 1.0})
