from __future__ import annotations

import functools
import types
from collections import OrderedDict, UserDict, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from gradgauge.reach import tensors_in

A, B = torch.ones(1), torch.ones(2)
NAMED, UNNAMED = torch.ones(3), torch.ones(4)
WEIGHT = torch.nn.Parameter(torch.ones(5))
LAYER = torch.nn.BatchNorm1d(1, affine=False)


class Holder:
    def __init__(self, held: Any) -> None:
        self.held = held

    def method(self) -> None:
        pass

    @property
    def made(self) -> Tensor:
        raise AssertionError("a property is code, which nobody asked to run")


class WithClassAttribute:
    mask = A

    @staticmethod
    def static() -> Tensor:
        return NAMED

    @classmethod
    def of_class(cls) -> None:
        pass


class Slotted:
    __slots__ = ("first", "unset")

    def __init__(self, first: Any) -> None:
        self.first = first


class SlottedFurther(Slotted):
    __slots__ = "second"  # noqa: PLC0205  (one name, as Python allows)

    def __init__(self, first: Any, second: Any) -> None:
        super().__init__(first)
        self.second = second


class Lazy(Mapping[str, Any]):
    """A mapping whose values are made when they are asked for, and die at once: a tensor, and more of this kind."""

    def __init__(self, depth: int) -> None:
        self.depth = depth

    def __getitem__(self, key: str) -> Any:
        return torch.full((1,), float(self.depth)) if key == "tensor" else Lazy(self.depth - 1)

    def __iter__(self) -> Iterator[str]:
        return iter(("tensor", "more") if self.depth else ())

    def __len__(self) -> int:
        return 2


def closing_over(held: Any) -> Callable[[], Any]:
    return lambda: held


def closing_over_nothing() -> Callable[[], Any]:
    once = A

    def inner() -> Any:
        return once  # noqa: F821  (which is the point)

    del once
    return inner


def with_defaults(x: Any = A, *, y: Any = B) -> None:
    pass


def naming_a_global() -> Tensor:
    return NAMED


def calling_another() -> Tensor:
    return naming_a_global()


def of_pytorchs_own() -> Callable[[], Any]:
    function = closing_over(A)
    function.__module__ = "torch.somewhere"
    return function


def yielding(held: Tensor) -> Iterator[Tensor]:
    yield held


def cyclic() -> list[Any]:
    cycle: list[Any] = [A]
    cycle.append({"again": cycle})
    return cycle


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (A, [A]),
        ([A, (B,)], [A, B]),
        ({"a": A, "b": {"c": B}}, [A, B]),
        ({A, B}, [A, B]),
        (deque([A, B]), [A, B]),
        (OrderedDict(a=A), [A]),
        (UserDict(a=A), [A]),
        (types.MappingProxyType({"a": A}), [A]),
        ([A, A, {"again": A}], [A]),
        (cyclic(), [A]),
        (Holder([A]), [A]),
        (Holder(A).method, [A]),
        (Slotted(A), [A]),
        (SlottedFurther(A, B), [A, B]),
        (functools.partial(print, A, sep=B), [A, B]),
        (functools.partial(closing_over(A)), [A]),
        (closing_over(A), [A]),
        (closing_over(closing_over(A)), [A]),
        (closing_over_nothing(), []),
        (with_defaults, [A, B]),
        (naming_a_global, [NAMED]),
        (calling_another, [NAMED]),
        (WithClassAttribute, [A, NAMED]),
        (torch.nn.ParameterList([WEIGHT]), [WEIGHT]),
        (closing_over(LAYER), list(LAYER.buffers())),
        (LAYER.forward, list(LAYER.buffers())),
        # What leads elsewhere, or holds nothing of a user's.
        (torch, []),
        (torch.nn.functional.relu, []),
        (torch.autograd.Function, []),
        (of_pytorchs_own(), []),
        ("text", []),
        (None, []),
        (yielding(A), []),
        (torch.ones(1, device="meta"), []),
        (FakeTensorMode().from_tensor(A), []),
    ],
)
def test_the_tensors_that_a_value_reaches_are_found_each_once(value: Any, found: list[Tensor]) -> None:
    assert sorted(map(id, tensors_in(value))) == sorted(map(id, found))


ARRAY = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    ("value", "sizes"),
    [
        (ARRAY, [48]),
        (ARRAY[:, 1], [48]),  # a view keeps the whole
        ({"a": ARRAY, "b": [np.ones(2, np.float32)]}, [48, 8]),
        (b"eight by", [8]),
        (bytearray(5), [5]),
        (np.ones(0), []),
        (np.array(["text"]), [16]),  # no numbers
    ],
)
def test_arrays_and_bytes_are_told_by_the_memory_that_they_hold(value: Any, sizes: list[int]) -> None:
    assert [tensor.untyped_storage().nbytes() for tensor in tensors_in(value)] == sizes


@pytest.mark.parametrize(
    ("layout", "sizes"),
    [
        (torch.sparse_coo, [2 * 3 * 8, 3 * 4]),  # where, and what
        (torch.sparse_csr, [4 * 8, 3 * 8, 3 * 4]),
        (torch.sparse_csc, [4 * 8, 3 * 8, 3 * 4]),
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse CS:UserWarning")  # is in beta state, says PyTorch
def test_a_sparse_tensor_is_those_that_it_is_made_of(layout: torch.layout, sizes: list[int]) -> None:
    if layout == torch.sparse_coo:
        sparse = torch.sparse_coo_tensor(
            torch.arange(6).reshape(2, 3) % 3, torch.ones(3), (3, 3), check_invariants=True
        )
    else:
        sparse = torch.sparse_compressed_tensor(
            torch.arange(4), torch.arange(3), torch.ones(3), (3, 3), layout=layout, check_invariants=True
        )
    assert [tensor.untyped_storage().nbytes() for tensor in tensors_in([sparse])] == sizes


def test_values_that_die_at_once_are_not_taken_for_one_another() -> None:
    assert [float(tensor) for tensor in tensors_in(Lazy(50))] == list(range(50, 0, -1))
