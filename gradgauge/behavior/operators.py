"""The custom operators that a call uses: which they are, what they were given, whether they have a forward mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from gradgauge.calling import Call, gradients_of, outputs_of

OWN = ("aten", "prim", "prims", "profiler", "inductor", "c10d", "debugprims", "higher_order")
"""Namespaces of PyTorch's own operators; any other holds a custom one."""

Given = tuple[tuple[Any, ...], dict[str, Any]]
"""Arguments by position and by name."""


class _CustomOps(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the custom operators that run, with what they were given."""

    def __init__(self, leaves: tuple[Tensor, ...]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._leaves = {tensor.untyped_storage().data_ptr() for tensor in leaves}
        self.found: dict[Any, Given] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace not in OWN and func not in self.found:
            kept = tree_map_only(Tensor, self._copy, (args, kwargs or {}))
            self.found[func] = kept
        return func(*args, **(kwargs or {}))

    def _copy(self, tensor: Tensor) -> Tensor:
        copy = tensor.detach().clone()
        return copy.requires_grad_() if tensor.untyped_storage().data_ptr() in self._leaves else copy


def without_forward_mode(call: Call, inputs: tuple[Tensor, ...]) -> str:
    """Return the custom operators of a forward that drop the tangents they are given, by name."""
    with _CustomOps(inputs) as noted:
        call(*inputs)
    return ", ".join(str(op) for op, (args, kwargs) in noted.found.items() if _drops_tangents(op, args, kwargs))


def _drops_tangents(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    make_dual: Callable[..., Tensor] = forward_ad.make_dual
    unpack_dual: Callable[..., Any] = forward_ad.unpack_dual

    def dual(tensor: Tensor) -> Tensor:
        plain = tensor.detach()
        return make_dual(plain, torch.ones_like(plain)) if plain.is_floating_point() else plain

    with forward_ad.dual_level():
        values = op(*tree_map_only(Tensor, dual, args), **tree_map_only(Tensor, dual, kwargs))
        found = [each for each in tree_leaves(values) if isinstance(each, Tensor)]
        return all(unpack_dual(each).tangent is None for each in found)


def custom_operators(call: Call, inputs: tuple[Tensor, ...]) -> dict[Any, Given]:
    """Return the custom operators of a forward and its backward, with what each was given first."""
    with _CustomOps(inputs) as noted:
        values = outputs_of(call(*inputs))
        gradients_of(values, inputs, [torch.ones_like(value) for value in values], may_be_disconnected=True)
    found: dict[Any, Given] = noted.found
    return found
