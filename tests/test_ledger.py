"""What a forward keeps, against tables worked out by hand; N elements of float32 are 4 N bytes, of bool N."""

from __future__ import annotations

import functools
import gc
import itertools
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from gradgauge import ledger
from gradgauge.attempts import Unsupported
from gradgauge.calling import Call
from gradgauge.catalog import Catalog
from gradgauge.compilation import compile_call, forget_compiled
from gradgauge.ledger import ELSEWHERE, INPUT, INTERMEDIATE, OUTPUT, Entry, Ledger, ledger_of

pytestmark = pytest.mark.usefixtures("frozen")

N = 1000

Row = tuple[str, str, int]
"""Of one storage: role, dtype, bytes an element of the input."""


def leaf(*shape: int) -> Tensor:
    return torch.ones(shape or (N,)).requires_grad_()


def rows(found: Ledger, elements: int = N) -> list[Row]:
    return [(entry.role, entry.dtype, entry.bytes // elements) for entry in found.entries]


# --- the built-in implementations -----------------------------------------------------------------------------------

X, Y, MASK = (INPUT, "float32", 4), (OUTPUT, "float32", 4), (INTERMEDIATE, "bool", 1)
SIGMOID = (INTERMEDIATE, "float32", 4)

EAGER: dict[str, list[Row]] = {
    "multiply/custom_function": [X, X],
    "multiply/lean_function": [X, X],
    "multiply/reference": [X, X],
    "relu/masked_function": [X],
    "relu/native": [Y],
    "relu/reference": [X],  # of clamp
    "relu/where": [MASK],
    "ternary_activation/masked_function": [X],
    "ternary_activation/published": [X],
    "ternary_activation/reference": [SIGMOID, SIGMOID, MASK, MASK],
    "ternary_activation/where": [SIGMOID, SIGMOID, MASK, MASK],
}
# The partitioner keeps the least that the backward can be computed from: where the mask is enough, the mask.
COMPILED: dict[str, list[Row]] = {
    technique: {"multiply": [X, X], "relu": [MASK], "ternary_activation": [X]}[technique.partition("/")[0]]
    for technique in EAGER
}
# An element: all that is kept, and of that what is kept for the backward alone.
BYTES: dict[str, tuple[int, int]] = {
    "multiply/custom_function": (8, 0),
    "multiply/lean_function": (8, 0),
    "multiply/reference": (8, 0),
    "relu/masked_function": (4, 0),
    "relu/native": (4, 0),
    "relu/reference": (4, 0),
    "relu/where": (1, 1),
    "ternary_activation/masked_function": (4, 0),
    "ternary_activation/published": (4, 0),
    "ternary_activation/reference": (10, 10),
    "ternary_activation/where": (10, 10),
}
COMPILED_BYTES = {"multiply": (8, 0), "relu": (1, 1), "ternary_activation": (4, 0)}


def test_the_tables_have_every_built_in_implementation(catalog: Catalog) -> None:
    found = {f"{name}/{each}" for name, entry in catalog.functions.items() for each in entry.implementations}
    assert found == set(EAGER) == set(COMPILED) == set(BYTES)


def call_of(catalog: Catalog, technique: str) -> Call:
    function, name = technique.split("/")
    return catalog.functions[function].implementations[name].implementation.call


def inputs_for(technique: str) -> tuple[Tensor, ...]:
    """Return inputs with elements on each piece of the function."""
    drawn = torch.linspace(-9, 9, N).reshape(25, 40)
    return tuple(drawn.clone().requires_grad_() for _ in range(2 if technique.startswith("multiply") else 1))


@pytest.mark.parametrize("technique", EAGER)
def test_eagerly_the_ledger_is_the_table(catalog: Catalog, technique: str) -> None:
    found = ledger_of(call_of(catalog, technique), inputs_for(technique))
    assert rows(found) == EAGER[technique]
    assert (found.saved_bytes, found.saved_extra_bytes) == tuple(N * each for each in BYTES[technique])
    assert {entry.shape for entry in found.entries} == {(25, 40)}


@pytest.fixture
def nothing_compiled() -> Iterator[None]:
    forget_compiled()
    yield
    forget_compiled()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # torch.compile's own
@pytest.mark.usefixtures("nothing_compiled")
@pytest.mark.parametrize("technique", COMPILED)
def test_compiled_the_ledger_is_the_table(catalog: Catalog, technique: str) -> None:
    own, inputs = call_of(catalog, technique), inputs_for(technique)
    compiled = compile_call(own)
    compiled(*inputs)
    found = [ledger_of(compiled, inputs, own) for _ in range(2)]
    assert found[0] == found[1]
    assert rows(found[0]) == COMPILED[technique]
    each, extra = COMPILED_BYTES[technique.partition("/")[0]]
    assert (found[0].saved_bytes, found[0].saved_extra_bytes) == (N * each, N * extra)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # torch.compile's own
@pytest.mark.usefixtures("nothing_compiled")
def test_what_compiled_code_was_made_of_holds_what_is_alive_anyway() -> None:
    weight, inputs = torch.ones(N), (leaf(),)

    def weighted(x: Tensor) -> Tensor:
        return x.exp() * weight

    compiled = compile_call(weighted)
    compiled(*inputs)
    assert (INPUT, "float32", 4) in rows(ledger_of(compiled, inputs, weighted))
    assert not ledger_of(compiled, inputs, weighted).saved_extra_bytes


@pytest.mark.parametrize("technique", [name for name in EAGER if name.startswith("multiply")])
def test_of_what_is_broadcast_the_small_tensor_is_kept(catalog: Catalog, technique: str) -> None:
    found = ledger_of(call_of(catalog, technique), (leaf(10, 8), leaf(8)))
    assert [(entry.role, entry.shape, entry.bytes) for entry in found.entries] == [
        (INPUT, (10, 8), 320),
        (INPUT, (8,), 32),
    ]


@pytest.mark.parametrize(
    ("technique", "kept"), [("reference", [(8,)]), ("lean_function", [(8,)]), ("custom_function", [(10, 8), (8,)])]
)
def test_only_who_is_lean_keeps_what_the_asked_gradient_needs(
    catalog: Catalog, technique: str, kept: list[tuple[int, ...]]
) -> None:
    found = ledger_of(call_of(catalog, f"multiply/{technique}"), (leaf(10, 8), torch.ones(8)))
    assert [entry.shape for entry in found.entries] == kept


# --- what autograd packs --------------------------------------------------------------------------------------------


class Doubling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        return grad_output * 2


def doubled(x: Tensor) -> Tensor:
    y: Tensor = Doubling.apply(x.clone())  # type: ignore[no-untyped-call]
    return y


def halves(x: Tensor) -> tuple[Tensor, Tensor]:
    y = x.exp()
    return y[: N // 2], y[N // 2 :]


def dropped(x: Tensor) -> Tensor:
    _unused = x.exp() * x.sigmoid()
    return x + 1


def differentiated(x: Tensor) -> Tensor:
    (slope,) = torch.autograd.grad(x.exp().sum(), x)
    return x + slope


EXP = (OUTPUT, "float32", 4)
PACKED = [
    (lambda x: x * x, [X]),
    (lambda x: x[:10] * x[10:20], [X]),  # of a view the whole storage is kept
    (lambda x: x.view(-1, 10).exp() * x.view(-1, 10), [X, SIGMOID]),
    (lambda x: (x.exp(), x.sigmoid()), [EXP, EXP]),
    (lambda x: (y := x.exp(), y), [EXP]),
    (halves, [EXP]),
    (lambda x: (x * x, (x * x).sum()), [X]),
    (lambda x: x.exp().exp(), [EXP, SIGMOID]),
    (lambda x: x.double().exp().float(), [(INTERMEDIATE, "float64", 8)]),
    (lambda x: x.clone().relu_(), [EXP]),
    (doubled, []),
    (lambda x: x, []),
    (lambda x: x.view_as(x), []),
    (lambda x: x + 1, []),
    (lambda x: 2 * x, []),  # the number is 8 bytes
    (lambda x: functools.reduce(torch.mul, range(2, 14), x), []),  # many numbers are numbers still
    (lambda x: x.detach().exp(), []),
    (dropped, []),
    (differentiated, []),
    (lambda x: checkpoint(lambda y: y.exp().exp(), x, use_reentrant=False, preserve_rng_state=False), [X]),
]


@pytest.mark.parametrize(("call", "kept"), PACKED)
def test_each_storage_counts_once_and_whole_under_its_role(call: Call, kept: list[Row]) -> None:
    assert rows(ledger_of(call, (leaf(),))) == kept


@pytest.mark.parametrize(
    ("x", "kept"),
    [
        (torch.ones(1, 40).expand(25, 40), 160),
        (torch.ones(50, 40)[::2], 8000),
        (torch.ones(40, 25).t(), 4000),
        (torch.ones(25, 40), 4000),
        (torch.ones(0, 3), 0),
        (torch.tensor(1.0), 4),
    ],
)
def test_of_an_input_of_any_layout_the_storage_counts(x: Tensor, kept: int) -> None:
    found = ledger_of(lambda x: x.clamp(min=0), (x.requires_grad_(),))
    assert [(entry.role, entry.bytes, entry.shape) for entry in found.entries] == [(INPUT, kept, tuple(x.shape))]


def test_who_keeps_it_is_told() -> None:
    found = ledger_of(lambda a, b: (a * b).exp(), (leaf(), leaf()))
    assert [entry.keeper for entry in found.entries] == [
        "MulBackward0 (other)",
        "MulBackward0 (self)",
        "ExpBackward0 (result)",
    ]


def test_the_order_is_that_of_the_roles_and_the_largest_of_a_role_first() -> None:
    found = ledger_of(lambda x: torch.where(x > 0, x.sigmoid().sin(), 0.0).exp(), (leaf(),))
    assert rows(found) == [EXP, SIGMOID, MASK]  # the σ is kept by itself and by its sine


def test_parameters_and_buffers_are_alive_anyway() -> None:
    layers = torch.nn.Sequential(torch.nn.Linear(100, 20), torch.nn.Tanh(), torch.nn.Linear(20, 10))
    for call in (layers, functools.partial(layers), layers.forward):
        found = ledger_of(call, (leaf(5, 100),))
        assert [(entry.role, entry.shape, entry.bytes) for entry in found.entries] == [
            (INPUT, (100, 20), 8000),  # the weight, transposed
            (INPUT, (5, 100), 2000),
            (INPUT, (20, 10), 800),
            (INTERMEDIATE, (5, 20), 400),
        ]


# --- what Python code keeps -----------------------------------------------------------------------------------------


def stashing(keep: Callable[[Tensor], Any]) -> Call:
    """Return a Function that puts what `keep` makes of its input on `ctx`."""

    class Stash(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.stash = keep(x)
            return x.neg()

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            return -grad_output

    return Stash.apply


class Holder:
    def __init__(self, tensor: Tensor) -> None:
        self.held = tensor


class Slotted:
    __slots__ = ("held",)

    def __init__(self, tensor: Tensor) -> None:
        self.held = tensor


def masking(mask: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda grad: grad * mask


def closing_over(x: Tensor) -> Tensor:
    mask = x > 0

    class Masked(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            return grad_output * mask

    masked: Tensor = Masked.apply(x)  # type: ignore[no-untyped-call]
    return masked


def hooked(x: Tensor) -> Tensor:
    y, mask = x + 1, x > 0
    y.register_hook(masking(mask))  # type: ignore[no-untyped-call]
    return y


SHELF: dict[str, Any] = {}


def shelving(x: Tensor) -> Tensor:
    SHELF["kept"] = x.exp()
    return x + 1


def shelving_anew(x: Tensor) -> Tensor:
    SHELF.clear()  # some of what takes its place gets its addresses
    SHELF["kept"] = [x.detach().exp() for _ in range(10)]
    return x + 1


def identity_kept(x: Tensor) -> Any:
    return x


WIDE = (INTERMEDIATE, "float64", 8)
STASHES: list[tuple[Call, list[Row]]] = [
    (stashing(lambda x: x.exp()), [SIGMOID]),
    (stashing(lambda x: [x > 0, {"a": (x.double(),)}]), [WIDE, MASK]),
    (stashing(lambda x: Holder(x.exp())), [SIGMOID]),
    (stashing(lambda x: Slotted(x.exp())), [SIGMOID]),
    (stashing(lambda x: deque([x.exp()])), [SIGMOID]),
    (stashing(lambda x: functools.partial(torch.mul, x > 0)), [MASK]),
    (stashing(lambda x: masking(x > 0)), [MASK]),
    (stashing(identity_kept), [X]),
    (stashing(lambda x: x[:10]), [X]),
    (stashing(lambda x: (y := x.exp(), y[:10])), [SIGMOID]),
    (stashing(lambda x: "no tensor"), []),
    (closing_over, [MASK]),
    (hooked, [MASK]),
    (shelving, [SIGMOID]),
    (shelving_anew, [SIGMOID] * 10),
]


@pytest.mark.parametrize(("call", "kept"), STASHES)
def test_what_python_code_keeps_counts_too_each_time_alike(call: Call, kept: list[Row]) -> None:
    inputs = (leaf(),)
    call(*inputs)
    assert [rows(ledger_of(call, inputs)) for _ in range(4)] == [kept] * 4


def test_python_code_that_keeps_something_has_no_name_for_it() -> None:
    (entry,) = ledger_of(closing_over, (leaf(),)).entries
    assert entry == Entry(INTERMEDIATE, N, "bool", (N,), keeper="")


def test_what_a_call_holds_already_is_alive_anyway() -> None:
    weight, mask = torch.ones(N), torch.ones(N)
    call = functools.partial(lambda mask, x: x * weight * mask, mask)
    assert rows(ledger_of(call, (leaf(),))) == [X, X]


# --- what nobody can reach ------------------------------------------------------------------------------------------


def yielding(x: Tensor) -> Iterator[Tensor]:
    yield x


def packing_by_itself(x: Tensor) -> Tensor:
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor.half(), lambda packed: packed.float()):
        return x.exp()


def hooked_inside(x: Tensor) -> Tensor:
    y, mask = x + 1, x > 0
    y.register_hook(masking(mask))  # type: ignore[no-untyped-call]
    return y + 1


def hooked_node(x: Tensor) -> Tensor:
    y, mask = x + 1, x > 0
    assert y.grad_fn is not None
    y.grad_fn.register_prehook(lambda grads: tuple(grad * mask for grad in grads))
    return y


def annotated_node(x: Tensor) -> Tensor:
    y = x + 1
    assert y.grad_fn is not None
    y.grad_fn.metadata["mask"] = x > 0  # type: ignore[index]  # a property
    return y


def shelving_out_of_reach(x: Tensor) -> Tensor:
    SHELF["kept"] = yielding(x.detach().exp())
    return x + 1


UNREACHABLE: list[tuple[Call, int]] = [
    (stashing(lambda x: yielding(x.exp())), 4),
    (stashing(lambda x: iter([x.exp()])), 4),
    (stashing(lambda x: itertools.repeat(x > 0)), 1),
    (packing_by_itself, 2),
    (hooked_inside, 1),
    (hooked_node, 1),
    (annotated_node, 1),
    (shelving_out_of_reach, 4),
]


@pytest.mark.parametrize(("call", "each"), UNREACHABLE)
def test_what_the_allocator_alone_knows_of_is_elsewhere_each_time_alike(call: Call, each: int) -> None:
    inputs = (leaf(),)
    call(*inputs)
    found = [ledger_of(call, inputs) for _ in range(4)]
    assert {ledger.entries for ledger in found} == {(Entry(ELSEWHERE, each * N),)}
    assert (found[0].saved_bytes, found[0].saved_extra_bytes) == (each * N, each * N)


@pytest.mark.parametrize(
    ("known", "row"),
    [
        (lambda x: x > 0, MASK),
        (lambda x: np.ones(N), WIDE),  # of which the allocator knows nothing
    ],
)
def test_what_is_elsewhere_comes_on_top_of_what_is_known(known: Callable[[Tensor], Any], row: Row) -> None:
    call = stashing(lambda x: (known(x), iter([x.exp()])))
    assert rows(ledger_of(call, (leaf(),))) == [row, (ELSEWHERE, "", 4)]


def test_what_another_thread_keeps_nobody_sees_and_so_nothing_is_claimed() -> None:
    def call(x: Tensor) -> Tensor:
        kept: list[Tensor] = []
        thread = Thread(target=lambda: kept.append(x.exp()))
        thread.start()
        thread.join()
        return kept[0]

    with pytest.raises(Unsupported, match="in a thread of its own"):
        ledger_of(call, (leaf(),))


def test_an_accelerators_balance_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "allocations", pytest.fail)
    assert ledger._elsewhere(lambda x: x, (), "cuda:0", 0) == []


# --- what looking leaves behind -------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [torch.exp, torch.sigmoid, torch.relu])
def test_looking_keeps_nothing_alive(call: Callable[[Tensor], Tensor]) -> None:
    made: list[weakref.ref[Tensor]] = []

    def watched(x: Tensor) -> Tensor:
        y = call(x)
        made.append(weakref.ref(y))
        return y

    ledger_of(watched, (leaf(),))
    gc.collect()
    assert made
    assert {reference() for reference in made} == {None}


def test_looking_leaves_the_inputs_as_they_were() -> None:
    x = leaf()
    ledger_of(lambda x: x * x, (x,))
    assert x.grad is None
    assert x._version == 0


def test_a_call_that_raises_does_so() -> None:
    with pytest.raises(ZeroDivisionError):
        ledger_of(lambda x: x / (1 // 0), (leaf(),))
    assert rows(ledger_of(torch.exp, (leaf(),))) == [EXP]  # whose hooks are gone
