"""Work that is nobody's implementation: the control, the machine's peaks, and the empty call.

The empty call shows what the harness itself costs: it returns its input, and nothing is differentiated. Nothing here
uses autograd.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from gradgauge.cases import Case, parse_shapes
from gradgauge.passes import BATCH_BYTES, Pass, Subject, pass_of

CONTROL_ELEMENTS = {"cpu": 2**18}
CONTROL_ELEMENTS_ON_ACCELERATOR = 2**24
MOST_COPIES = 256
MOST_DRAWN = 2**20
FLOAT_BYTES = 4
CUSTOM, NATIVE = "custom_function", "native_function"
"""Negation by a custom Function, and by PyTorch's own operator."""

Work = Callable[..., Any]


def control_shape(device: str) -> str:
    """Return how large the control is: large enough for every thread, or for the whole accelerator, to have a part."""
    return str(CONTROL_ELEMENTS.get(device, CONTROL_ELEMENTS_ON_ACCELERATOR))


def control_pass(device: str) -> Pass:
    """Return the control: a sigmoid into a given tensor, the same in every block of a run."""
    x = _random(device, int(control_shape(device)))
    return _repeating(_sigmoid_into, (torch.empty_like(x), x))


def copy_pass(moved_bytes: int, device: str, *, cold: bool = False) -> Pass:
    """Return a `copy_` into a given tensor that moves so many bytes, half of them read and half written.

    cold: each call has tensors of its own.
    """
    elements = max(1, moved_bytes // (2 * FLOAT_BYTES))
    pairs = max(1, min(MOST_COPIES, BATCH_BYTES // max(1, moved_bytes))) if cold else 1
    drawn = _random(device, elements)
    operands = [(torch.empty_like(drawn), drawn.clone()) for _ in range(pairs)]
    return _in_rotation(_copy_into, operands) if cold else _repeating(_copy_into, operands[0])


def _random(device: str, *shape: int) -> Tensor:
    # Random, as zeros run faster and cooler; drawn on the CPU, where a seed means the same on every machine, and
    # repeated, because drawing takes longer than all that is done with it.
    elements = math.prod(shape)
    drawn = torch.randn(min(elements, MOST_DRAWN), generator=torch.Generator().manual_seed(0)).to(device)
    return drawn.repeat(-(-elements // MOST_DRAWN))[:elements].reshape(shape)


def _repeating(work: Work, operands: tuple[Tensor, ...]) -> Pass:
    return Pass(lambda iterations: repeat(operands, iterations), _running(work))


def _in_rotation(work: Work, operands: Sequence[tuple[Tensor, ...]]) -> Pass:
    return Pass(lambda iterations: operands[:iterations], _running(work), most_iterations=len(operands))


def _running(work: Work) -> Callable[[Iterable[tuple[Tensor, ...]]], None]:
    def run(batch: Iterable[tuple[Tensor, ...]]) -> None:
        for tensors in batch:
            work(*tensors)

    return run


def _copy_into(target: Tensor, source: Tensor) -> None:
    target.copy_(source)


def _clone(source: Tensor) -> None:
    source.clone()


def _sigmoid_into(target: Tensor, source: Tensor) -> None:
    torch.sigmoid(source, out=target)


def _matmul_into(target: Tensor, source: Tensor) -> None:
    torch.mm(source, source, out=target)


def workload_pass(case: Case) -> Pass:
    """Return the pass of a case that names a workload where others name an implementation."""
    (shape,) = parse_shapes(case.shape, 1)
    x = _random(case.device, *shape)
    if case.implementation == "empty":
        leaf = x.requires_grad_()
        empty = Subject(case, lambda *inputs: inputs[0], (leaf,), (torch.ones_like(x),))
        return pass_of(empty, differentiate=_leave)
    if case.implementation in (CUSTOM, NATIVE):
        call = _negated_by_function if case.implementation == CUSTOM else torch.neg
        return pass_of(Subject(case, call, (x.requires_grad_(),), (torch.ones_like(x),)))
    if case.implementation == "clone":
        return _repeating(_clone, (x,))
    work: dict[str, Work] = {"copy": _copy_into, "sigmoid": _sigmoid_into, "matmul": _matmul_into}
    return _repeating(work[case.implementation], (torch.empty_like(x), x))


class _Negated(torch.autograd.Function):
    """The same operator in both directions as `torch.neg` runs: what it takes longer is what a Function costs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004  (the signature is torch's)
        return torch.neg(x)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:  # noqa: ARG004  (as above)
        return torch.neg(grad_output)


def _negated_by_function(x: Tensor) -> Tensor:
    negated: Tensor = _Negated.apply(x)  # type: ignore[no-untyped-call]  # torch leaves `apply` untyped
    return negated


def _leave(_: tuple[Tensor, ...], __: tuple[Tensor, ...]) -> None:
    pass


def work_of(case: Case) -> float:
    """Return what one call of a workload moves in bytes, or of `matmul` computes in floating-point operations."""
    (shape,) = parse_shapes(case.shape, 1)
    if case.implementation == "matmul":
        return 2.0 * shape[0] ** 3
    return 2.0 * FLOAT_BYTES * math.prod(shape)
