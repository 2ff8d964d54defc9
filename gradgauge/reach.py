"""Which tensors a Python value reaches: through containers, attributes, closures, and the globals that code names."""

from __future__ import annotations

import functools
import types
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

FOREIGN = ("torch", "numpy", "builtins", "typing")
"""What is defined in these packages is not searched: it holds nothing of a user's, and leads everywhere."""


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors that a value reaches, each object once.

    Followed are dicts, lists, tuples and sets; attributes of a user's objects and classes; of a user's functions the
    closure, the defaults, what `functools.partial` holds, and the globals that their code names. Arrays of numpy and
    bytes are given as tensors on the same memory, sparse tensors as those that they are made of.
    """
    waiting: list[Any] = [value]
    seen: dict[int, Any] = {}  # by identity; the objects are held, or another might get the identity of one that died
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen[id(found)] = found
        if isinstance(found, Tensor):
            yield from parts_of(found)
        elif isinstance(found, (np.ndarray, bytes, bytearray)):
            yield from _on_memory_of(found)
        else:
            waiting += reversed(list(_parts(found)))


def parts_of(tensor: Tensor) -> Iterator[Tensor]:
    """Yield the tensors with a storage that a tensor is made of: itself, unless it is sparse or has no storage."""
    if isinstance(tensor, FakeTensor) or tensor.device.type == "meta":
        return
    if tensor.layout == torch.strided:
        yield tensor
    elif tensor.layout == torch.sparse_coo:
        yield from (tensor._indices(), tensor._values())  # noqa: SLF001  (the public ones want it coalesced)
    elif tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        yield from (tensor.crow_indices(), tensor.col_indices(), tensor.values())
    elif tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        yield from (tensor.ccol_indices(), tensor.row_indices(), tensor.values())


def _on_memory_of(held: Any) -> Iterator[Tensor]:
    array = held if isinstance(held, np.ndarray) else np.frombuffer(held, np.uint8)
    whole = array.base if isinstance(array.base, np.ndarray) else array
    if not whole.nbytes:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that nobody may write into it
        try:
            yield torch.from_numpy(whole)
        except (TypeError, ValueError):  # no numbers, or strides that no tensor has
            yield torch.from_numpy(np.frombuffer(whole.tobytes(), np.uint8))


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, (list, tuple, set, frozenset, deque)):
        yield from value
    elif isinstance(value, functools.partial):
        yield from (value.func, value.args, value.keywords)
    elif isinstance(value, types.MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, types.FunctionType):
        yield from _parts_of_code(value)
    elif isinstance(value, torch.nn.Module):
        yield vars(value)  # whosever its class is
    elif isinstance(value, (staticmethod, classmethod)):
        yield value.__func__
    elif isinstance(value, type):
        yield from () if _is_foreign(value) else vars(value).values()
    elif not isinstance(value, types.ModuleType) and not _is_foreign(type(value)):
        yield getattr(value, "__dict__", {})
        yield from _in_slots(value)


def _in_slots(value: Any) -> Iterator[Any]:
    for slots in (vars(each).get("__slots__", ()) for each in type(value).__mro__):
        names = (slots,) if isinstance(slots, str) else slots
        yield from (getattr(value, name) for name in names if hasattr(value, name))


def _parts_of_code(function: types.FunctionType) -> Iterator[Any]:
    if _is_foreign(function):
        return
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # a variable that nobody has set yet
            continue
    yield from (function.__defaults__ or ())
    yield from (function.__kwdefaults__ or {}).values()
    named = set(function.__code__.co_names)
    yield from (value for name, value in function.__globals__.items() if name in named)


def _is_foreign(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).partition(".")[0] in FOREIGN
