"""The ledger of a forward: every tensor that it keeps for its backward, counted once per storage."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradgauge.allocations import allocations
from gradgauge.calling import Call, outputs_of
from gradgauge.compilation import graph_nodes
from gradgauge.profiling import expect_one_thread
from gradgauge.reach import parts_of, tensors_in
from gradgauge.repeating import reseed

INPUT, OUTPUT, INTERMEDIATE, ELSEWHERE = "input", "output", "intermediate", "elsewhere"
ROLES = (INPUT, OUTPUT, INTERMEDIATE, ELSEWHERE)
LEAST_ELSEWHERE_BYTES = 64
"""Less is numbers: autograd keeps the `2` of `2 * x` as a tensor of 8 bytes, which no hook is shown."""

Storage = tuple[str, int]


@dataclass(frozen=True)
class Entry:
    """One storage that is kept.

    role: `input` (alive anyway: what the call was given, or owned before), `output` (alive while the next layer needs
    it), `intermediate` (kept for the backward alone), `elsewhere` (the allocator says that it is kept, and no tensor
    that can be reached has it).
    bytes: of the whole storage. dtype, shape: of the tensor that was seen first on it; empty for `elsewhere`.
    keeper: the autograd node that keeps it, with the node's name for it; empty where none says so.
    """

    role: str
    bytes: int
    dtype: str = ""
    shape: tuple[int, ...] = ()
    keeper: str = ""


@dataclass(frozen=True)
class Ledger:
    """What one forward keeps for its backward, in the order of ROLES, the largest of a role first."""

    entries: tuple[Entry, ...]

    @property
    def saved_bytes(self) -> int:
        """Return the bytes of all that is kept."""
        return sum(entry.bytes for entry in self.entries)

    @property
    def saved_extra_bytes(self) -> int:
        """Return the bytes that would be free but for the backward: neither an input's nor an output's."""
        return sum(entry.bytes for entry in self.entries if entry.role in (INTERMEDIATE, ELSEWHERE))


class _Packed:
    """What stands in a node for a saved tensor: as long as it lives, the tensor is kept."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def ledger_of(call: Call, inputs: tuple[Tensor, ...], owner: Any = None) -> Ledger:
    """Return what one forward of the call keeps for its backward.

    Seen are tensors that autograd or `save_for_backward` packs, attributes of `ctx`, and what closures, hooks of the
    outputs and referenced globals hold that they did not hold before, numpy's arrays among them. On a CPU the
    allocator's balance tells what else is kept: by hooks of intermediate tensors, or by hooks of the call's own that
    pack what is saved. The call should be warm, or what it caches for good counts as kept.
    owner: whose Python is searched, where the call wraps it (compiled code does).
    """
    owner = owner or call
    before = [*inputs, *tensors_in(owner)]  # held, or what comes after one that died may get its address
    owned = {_storage_of(tensor) for tensor in before}
    packed: list[weakref.ref[_Packed]] = []

    def pack(tensor: Tensor) -> _Packed:
        kept = _Packed(tensor.detach())  # with its graph, an output would keep the very node that keeps it
        packed.append(weakref.ref(kept))
        return kept

    reseed()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
        outputs = outputs_of(call(*inputs))
        keepers = dict(_keepers(outputs))
    results = [part for output in outputs for part in parts_of(output)]
    returned = {_storage_of(tensor) for tensor in results}
    saved = [part for reference in packed if (kept := reference()) for part in parts_of(kept.tensor)]
    on_ctx = [tensor for node in graph_nodes(outputs) for tensor in tensors_in(getattr(node, "__dict__", {}))]
    given = {_storage_of(tensor) for tensor in inputs} | returned
    stashed = [tensor for tensor in on_ctx if _storage_of(tensor) in given]
    stashed += [tensor for tensor in _stashed(outputs, owner) if _storage_of(tensor) not in owned | returned]

    def entry(storage: Storage, tensor: Tensor) -> Entry:
        role = INPUT if storage in owned else OUTPUT if storage in returned else INTERMEDIATE
        dtype = str(tensor.dtype).removeprefix("torch.")
        return Entry(role, tensor.untyped_storage().nbytes(), dtype, tuple(tensor.shape), keepers.get(storage, ""))

    first: dict[Storage, Tensor] = {}
    for tensor in (*saved, *stashed):
        first.setdefault(_storage_of(tensor), tensor)
    entries = [entry(storage, tensor) for storage, tensor in first.items()]
    new = {_storage_of(tensor): tensor for tensor in results} | first
    known = sum(_large(_bytes_of(tensor)) for storage, tensor in new.items() if storage not in owned)
    device = str(inputs[0].device)
    del outputs, results, saved, on_ctx, stashed, first, new
    entries += _elsewhere(call, inputs, device, known)
    return Ledger(tuple(sorted(entries, key=lambda each: (ROLES.index(each.role), -each.bytes, each.keeper))))


def _elsewhere(call: Call, inputs: tuple[Tensor, ...], device: str, known: int) -> list[Entry]:
    if device != "cpu":  # its allocator rounds, and so has no exact balance
        return []
    expect_one_thread(lambda: call(*inputs), device)
    reseed()
    unseen = sum(map(_large, allocations(lambda: call(*inputs), device).kept)) - known
    return [Entry(ELSEWHERE, unseen)] if unseen > 0 else []


def _large(size: int) -> int:
    return size if size >= LEAST_ELSEWHERE_BYTES else 0


def _bytes_of(tensor: Tensor) -> int:
    """Return what PyTorch's allocator gave for the tensor: nothing where its memory is numpy's."""
    storage = tensor.untyped_storage()
    return storage.nbytes() if storage.resizable() else 0


def _stashed(outputs: tuple[Tensor, ...], owner: Any) -> Iterator[Tensor]:
    """Yield what Python code can still reach: by the graph's custom nodes, by hooks, by the call itself."""
    for node in graph_nodes(outputs):
        yield from tensors_in(getattr(node, "__dict__", {}))
        yield from tensors_in(_own_code(node))
    for output in outputs:
        yield from tensors_in(output._backward_hooks)  # noqa: SLF001  (nothing public lists them)
    yield from tensors_in(owner)


def _own_code(node: Any) -> Callable[..., Any] | None:
    """Return the backward that a custom Function defines, None for PyTorch's own nodes and for compiled code."""
    if node.name().startswith("CompiledFunction"):
        return None
    backward: Callable[..., Any] | None = getattr(getattr(type(node), "_forward_cls", None), "backward", None)
    return backward


def _keepers(outputs: tuple[Tensor, ...]) -> Iterator[tuple[Storage, str]]:
    """Yield the storages that nodes say they keep, with the node's name and its name for the tensor."""
    for node in reversed(graph_nodes(outputs)):
        named = {name: name.removeprefix("_saved_") for name in dir(node) if name.startswith("_saved_")}
        for attribute, name in {"saved_tensors": "", **named}.items():
            for tensor in tensors_in(_read(node, attribute)):
                yield _storage_of(tensor), f"{node.name()}{name and f' ({name})'}"


def _read(node: Any, attribute: str) -> Any:
    try:
        return getattr(node, attribute, None)
    except RuntimeError:  # what was saved has been written into since: the check of behaviour tells that
        return None


def _storage_of(tensor: Tensor) -> Storage:
    return str(tensor.device), tensor.untyped_storage().data_ptr()
