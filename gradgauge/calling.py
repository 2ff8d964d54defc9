"""Call implementations and differentiate them, whether they return one tensor or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gradgauge.attempts import Wrong

Call = Callable[..., Tensor | tuple[Tensor, ...]]


class Disconnected(Wrong):
    """An output through which no gradient flows back to any input."""


def outputs_of(result: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the outputs as a tuple; raise Wrong naming what was returned in place of tensors."""
    outputs = result if isinstance(result, tuple) else (result,)
    for output in outputs:
        if not isinstance(output, Tensor):
            raise Wrong(f"returned {type(output).__name__}, not a tensor or a tuple of tensors")
    return outputs


def gradients_of(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    grad_outputs: Sequence[Tensor],
    *,
    may_be_disconnected: bool = False,
) -> tuple[Tensor, ...]:
    """Return the gradient of every input, zeros where none arrives.

    Raises Disconnected when no output has a graph, unless that may be.
    """
    connected = [(out, grad) for out, grad in zip(outputs, grad_outputs, strict=True) if out.requires_grad]
    if not connected and may_be_disconnected:
        return tuple(torch.zeros_like(tensor) for tensor in inputs)
    if not connected:
        raise Disconnected("no output is connected to an input: backward has nothing to do")
    outs, grads = zip(*connected, strict=True)
    found: Sequence[Tensor | None] = torch.autograd.grad(outs, inputs, grads, allow_unused=True)
    return tuple(torch.zeros_like(x) if grad is None else grad for x, grad in zip(inputs, found, strict=True))
