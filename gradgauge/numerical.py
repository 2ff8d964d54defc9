"""PyTorch's own numerical checks, where they mean something: in float64, away from kinks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError

from gradgauge.atlas import joints
from gradgauge.attempts import Failure, Unsupported, Wrong, attempt
from gradgauge.calling import Call, gradients_of, outputs_of
from gradgauge.cases import Case
from gradgauge.catalog import FunctionEntry
from gradgauge.compilation import graph_nodes
from gradgauge.inputs import generator_for, random_inputs
from gradgauge.loading import first_line

SHAPE = "3x5"
MARGIN = 1e-2
"""So far from a joint no step of a numerical difference (1e-6) reaches it."""
MOST_ELEMENTS = 64
"""Above so many elements random projections stand for the Jacobian."""
PROJECTIONS = 4
STEP, CLOSE, LEAST = 1e-6, 1e-4, 1e-7
"""Of central differences in float64; how near, relative to the terms of a projection, they must come; and at least."""


def smooth_inputs(case: Case, entry: FunctionEntry, seed: int) -> tuple[Tensor, ...]:
    """Return float64 inputs that ask for their gradient, none of them next to a joint."""
    case = replace(case, dtype="float64", layout="contiguous")
    small = replace(case, shape=SHAPE)
    draw = int(torch.randint(2**31, (), generator=generator_for(case, seed, "gradcheck")))
    inputs = random_inputs(small, entry, draw)
    if isinstance(attempt("the reference", lambda: entry.reference.implementation.call(*inputs)), Failure):
        inputs = random_inputs(case, entry, draw)
    return tuple(tensor.to(case.device).requires_grad_() for tensor in away_from(joints(entry.function), inputs))


def away_from(places: Iterable[float], inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the inputs with every element that lies next to one of the places moved to a margin beside it."""
    for place in places:
        inputs = tuple(torch.where((x - place).abs() < MARGIN, place + 2 * MARGIN, x) for x in inputs)
    return inputs


def check_first_order(call: Call, inputs: tuple[Tensor, ...]) -> None:
    """Raise Wrong unless the gradient agrees with numerical differences, for undefined cotangents as well."""
    if _are_many(inputs):
        _check_projections(call, inputs, "gradcheck")
        return
    try:
        torch.autograd.gradcheck(call, inputs)
    except GradcheckError as error:
        raise Wrong(f"gradcheck: {_told(error)}") from error


def _are_many(inputs: tuple[Tensor, ...]) -> bool:
    return sum(tensor.numel() for tensor in inputs) > MOST_ELEMENTS


def _check_projections(call: Call, inputs: tuple[Tensor, ...], name: str) -> None:
    """Raise Wrong unless derivatives along random directions agree with central differences.

    The signs of directions and cotangents are random. Those of PyTorch's fast mode are all positive: of a function
    that acts element by element it sees the mean error, and errors of both signs cancel. Where that mode finds a fault,
    it builds the whole Jacobian for its message, which fills the memory.
    """
    generator = torch.Generator().manual_seed(0)

    def signs(tensors: Sequence[Tensor]) -> list[Tensor]:
        return [
            (torch.randint(2, tensor.shape, generator=generator) * 2.0 - 1).to(tensor.device, tensor.dtype)
            for tensor in tensors
        ]

    for _ in range(PROJECTIONS):
        values = outputs_of(call(*inputs))
        cotangents, directions = signs(values), signs(inputs)
        gradients = gradients_of(values, inputs, cotangents, may_be_disconnected=True)
        terms = torch.cat([(grad * way).reshape(-1) for grad, way in zip(gradients, directions, strict=True)])
        sides = [
            outputs_of(
                call(*(tensor.detach() + sign * STEP * way for tensor, way in zip(inputs, directions, strict=True)))
            )
            for sign in (1, -1)
        ]
        moved = [((above - below) * way).sum() for above, below, way in zip(*sides, cotangents, strict=True)]
        found, right = float(terms.sum()), float(torch.stack(moved).sum()) / (2 * STEP)
        allowed = CLOSE * float(terms.norm()) + LEAST * math.sqrt(len(terms))
        if math.isfinite(right) and not abs(found - right) <= allowed:
            raise Wrong(f"{name}: the derivative along random signs is {found:.6g}, differences say {right:.6g}")


def check_second_order(call: Call, inputs: tuple[Tensor, ...]) -> None:
    """Raise Wrong unless the second derivative agrees with numerical differences of the first.

    Raises Unsupported where the backward cannot be differentiated, and says so.
    """
    _refuse_once_differentiable(call, inputs)
    try:
        if _are_many(inputs):
            values = outputs_of(call(*inputs))
            cotangents = tuple(torch.ones_like(value, requires_grad=True) for value in values)
            _check_projections(_gradient_of(call, len(inputs)), (*inputs, *cotangents), "gradgradcheck")
            return
        torch.autograd.gradgradcheck(call, inputs, gen_non_contig_grad_outputs=True)
    except GradcheckError as error:
        raise Wrong(f"gradgradcheck: {_told(error)}") from error
    except RuntimeError as error:
        raise Unsupported(f"double backward: {first_line(error)}") from error


def _gradient_of(call: Call, count: int) -> Call:
    """Return inputs and cotangents ↦ the gradients of the call, to be differentiated once more."""

    def gradient(*tensors: Tensor) -> tuple[Tensor, ...]:
        asked = [tensor if tensor.requires_grad else tensor.requires_grad_() for tensor in tensors]
        values = outputs_of(call(*asked[:count]))
        return torch.autograd.grad(values, asked[:count], asked[count:], create_graph=True, materialize_grads=True)

    return gradient


def _refuse_once_differentiable(call: Call, inputs: tuple[Tensor, ...]) -> None:
    """Raise Unsupported where a backward is marked so.

    PyTorch hangs the error beside the graph, where no gradient meets it: a silent zero in place of an exception.
    """
    outputs = outputs_of(call(*inputs))
    grad_outputs = [torch.ones_like(output, requires_grad=True) for output in outputs]
    gradients: Sequence[Tensor | None] = torch.autograd.grad(
        outputs, inputs, grad_outputs, create_graph=True, allow_unused=True
    )
    nodes = graph_nodes(tuple(gradient for gradient in gradients if gradient is not None))
    if any(node.name() == "torch::autograd::Error" for node in nodes):
        raise Unsupported("double backward: its backward is marked @once_differentiable")


def _told(error: GradcheckError) -> str:
    return str(error).splitlines()[0].rstrip(",:")
