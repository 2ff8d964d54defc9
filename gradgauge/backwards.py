"""What custom Functions' backwards return, before autograd's engine casts it, sums it to shape or drops it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradgauge.compilation import graph_nodes


@dataclass
class Returned:
    """mended: gradients that autograd had to make fit, each in words; needless: how many nobody had asked for."""

    mended: list[str] = field(default_factory=list)
    needless: int = 0


@contextmanager
def watch_backwards(outputs: tuple[Tensor, ...]) -> Iterator[Returned]:
    """Note what the backward of every custom Function in the outputs' graph returns within the block.

    PyTorch's own nodes are not looked at: they compute what is asked for, in the right shape and dtype.
    """
    returned = Returned()
    watched: dict[type, tuple[str, Any, Any]] = {}
    for node in graph_nodes(outputs):
        cls = getattr(type(node), "_forward_cls", None)
        if isinstance(cls, type) and cls not in watched:
            # A Function defines one of the two.
            name = "vjp" if getattr(cls, "vjp", None) is not torch.autograd.Function.vjp else "backward"
            watched[cls] = (name, vars(cls).get(name), getattr(cls, name))
    for cls, (name, _, backward) in watched.items():
        setattr(cls, name, staticmethod(_noting(backward, returned)))
    try:
        yield returned
    finally:
        for cls, (name, own, _) in watched.items():
            if own is None:
                delattr(cls, name)  # it was inherited
            else:
                setattr(cls, name, own)


def _noting(backward: Any, returned: Returned) -> Any:
    def noted(ctx: Any, *grad_outputs: Any) -> Any:
        result = backward(ctx, *grad_outputs)
        _note(ctx, result if isinstance(result, tuple) else (result,), returned)
        return result

    return noted


def _note(ctx: Any, gradients: tuple[Any, ...], returned: Returned) -> None:
    edges = iter([edge for edge in ctx.next_functions if edge[0] is not None])
    for index, (gradient, is_needed) in enumerate(zip(gradients, ctx.needs_input_grad, strict=False)):
        if not is_needed:
            returned.needless += gradient is not None
            continue
        node, number = next(edges)
        if gradient is None:
            continue
        wanted = node._input_metadata[number]  # noqa: SLF001  (what the engine itself goes by; no public name)
        for what, got, right in (
            ("shape", tuple(gradient.shape), tuple(wanted.shape)),
            ("dtype", gradient.dtype, wanted.dtype),
        ):
            if got != right:
                returned.mended.append(f"gradient {index} came with {what} {got}, its input has {right}")
