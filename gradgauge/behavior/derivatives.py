"""Derivatives beyond one backward: the second order, and forward mode."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradgauge.attempts import Failure, NotApplicable, Unsupported, Wrong, attempt
from gradgauge.behavior.operators import without_forward_mode
from gradgauge.behavior.subject import (
    CLOSE,
    TRUE,
    Subject,
    difference,
    expect_near,
    float64_samples,
    may_refuse,
    rounding_tolerance,
)
from gradgauge.calling import Call, Disconnected, gradients_of, outputs_of
from gradgauge.compilation import graph_nodes

STEP = 1e-5
"""Of the central differences that stand in where there is no reference, in float64."""
NUMERICAL = 1e-4
"""Beside such differences, relative: their own error is some 1e-9."""


def double_backward(subject: Subject) -> str:
    """Differentiate the gradient once more, by the inputs and by a cotangent that itself requires a gradient.

    What is disconnected counts as zero: right where the true second derivative is zero, silently wrong elsewhere.
    """
    inputs = subject.leaves()
    if not _is_connected(subject.call, inputs) and not _is_connected(subject.reference, inputs):
        raise NotApplicable("no output is connected to an input, and none need be: there is no gradient")
    outputs, grad_outputs, gradients = _first_order(subject.call, inputs, subject)
    ways = subject.directions(gradients, 2)
    if subject.reference is None:
        _compare_numerically(subject)
        return ""
    found = _second_order(gradients, ways, (*inputs, *grad_outputs))
    names = [f"input {index}" for index in range(len(inputs))]
    names += [f"cotangent {index}" for index in range(len(outputs))]
    right = _right_second_order(subject, ways) or (None,) * len(names)
    tolerance = max(CLOSE, rounding_tolerance(subject.dtype))
    scale = max((float(each.abs().max()) for each in right if each is not None and each.numel()), default=0.0)
    for name, got, true in zip(names, found, right, strict=True):
        wanted = torch.zeros(()) if true is None else true
        if not wanted.numel():
            continue
        if not wanted.any() and (got is None or not got.numel() or float(got.abs().max()) <= tolerance * scale):
            continue
        if got is None:
            size = float(wanted.abs().max())
            raise Wrong(f"the gradient is not connected to {name}: 0 where the second derivative is up to {size:.4g}")
        said = difference(got, wanted, tolerance)
        if said:
            raise Wrong(f"the second derivative by {name} is {said}")
    return ""


def _is_connected(call: Call | None, inputs: tuple[Tensor, ...]) -> bool:
    return call is not None and any(value.requires_grad for value in outputs_of(call(*inputs)))


def _right_second_order(subject: Subject, ways: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """Return the reference's second derivatives in float64, by inputs and cotangents; () if it has no gradient."""
    assert subject.reference is not None
    inputs = float64_samples(subject)
    if not _is_connected(subject.reference, inputs):
        return ()
    _, grad_outputs, gradients = _first_order(subject.reference, inputs, subject)
    return _second_order(gradients, tuple(way.cpu().double() for way in ways), (*inputs, *grad_outputs))


def _first_order(
    call: Call, inputs: tuple[Tensor, ...], subject: Subject
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return outputs, cotangents that require a gradient, and the gradients with a graph of their own."""
    outputs = outputs_of(call(*inputs))
    ways = subject.directions(outputs)  # drawn in the outputs' dtype; exact in float64 as well
    grad_outputs = tuple(
        way.to(output.dtype).requires_grad_() for way, output in zip(_rounded(ways, subject), outputs, strict=True)
    )
    connected = [pair for pair in zip(outputs, grad_outputs, strict=True) if pair[0].requires_grad]
    if not connected:
        raise Disconnected("no output is connected to an input: there is no gradient to differentiate")
    values, grads = zip(*connected, strict=True)
    with may_refuse("double backward"):
        gradients: Sequence[Tensor | None] = torch.autograd.grad(
            values, inputs, grads, create_graph=True, allow_unused=True
        )
    found = tuple(
        torch.zeros_like(tensor) if grad is None else grad for tensor, grad in zip(inputs, gradients, strict=True)
    )
    if any(node.name() == "torch::autograd::Error" for node in graph_nodes(found)):
        # PyTorch hangs the error beside the graph, where no gradient meets it: a silent zero in place of an exception.
        raise Unsupported("double backward: its backward is marked @once_differentiable")
    return outputs, grad_outputs, found


def _rounded(tensors: Sequence[Tensor], subject: Subject) -> tuple[Tensor, ...]:
    """Return the tensors as the subject's dtype holds them, in the dtype they have: both sides get the same numbers."""
    return tuple(tensor.to(subject.dtype).to(tensor.dtype) for tensor in tensors)


def _second_order(
    gradients: Sequence[Tensor], ways: Sequence[Tensor], by: Sequence[Tensor]
) -> tuple[Tensor | None, ...]:
    connected = [pair for pair in zip(gradients, ways, strict=True) if pair[0].requires_grad]
    if not connected:
        return (None,) * len(by)
    values, grads = zip(*connected, strict=True)
    with may_refuse("double backward"):
        return torch.autograd.grad(values, by, grads, allow_unused=True)


def _compare_numerically(subject: Subject) -> None:
    """Compare a directional second derivative with central differences of the call's own gradient, in float64."""
    inputs = tuple(tensor.to(subject.device) for tensor in float64_samples(subject))
    inputs = tuple(tensor.detach().requires_grad_() for tensor in inputs)
    with may_refuse("in float64, where numerical differences mean something"):
        outputs, grad_outputs, gradients = _first_order(subject.call, inputs, subject)
    for index, output in enumerate(outputs):
        if output.dtype != torch.float64:
            raise Unsupported(f"output {index} is {output.dtype} for float64 inputs, where differences mean something")
    ways, variables = subject.directions(gradients, 2), (*inputs, *grad_outputs)
    found = _second_order(gradients, ways, variables)
    steps = subject.directions(variables, 3)

    def product(sign: float) -> Tensor:
        moved = [
            (tensor.detach() + sign * STEP * step).requires_grad_()
            for tensor, step in zip(variables, steps, strict=True)
        ]
        values = outputs_of(subject.call(*moved[: len(inputs)]))
        grads = torch.autograd.grad(values, moved[: len(inputs)], moved[len(inputs) :], materialize_grads=True)
        terms = [(grad * way).sum() for grad, way in zip(grads, ways, strict=True)]
        return torch.stack(terms).sum()

    wanted = float(product(1.0) - product(-1.0)) / (2 * STEP)
    terms = [float((each * step).sum()) for each, step in zip(found, steps, strict=True) if each is not None]
    got, size = sum(terms), max(abs(wanted), sum(map(abs, terms)))
    if not abs(got - wanted) <= NUMERICAL * size + 1e-6:
        raise Wrong(
            f"the second derivative along a random direction is {got:.6g}, numerical differences say {wanted:.6g}"
        )


def jvp(subject: Subject) -> str:
    """Push tangents forward: torch.func.jvp."""
    inputs = subject.plain()
    tangents = subject.directions(inputs, 4)
    with may_refuse("jvp"):
        value, tangent = torch.func.jvp(subject.apart().call, inputs, tangents)[:2]
        values, found = outputs_of(value), outputs_of(tangent)
    expect_near("the value under jvp", values, subject.run().values, rounding_tolerance(subject.dtype))
    try:
        _compare_tangents(subject, tangents, found)
    except Wrong as wrong:
        silent = without_forward_mode(subject.call, subject.leaves())
        if silent:
            raise Unsupported(
                f"jvp: {silent} has no forward mode; PyTorch says nothing and goes on: {wrong}"
            ) from wrong
        raise
    return ""


def _compare_tangents(subject: Subject, tangents: tuple[Tensor, ...], found: tuple[Tensor, ...]) -> None:
    right = _pushed(subject, tangents)
    if isinstance(right, Failure):
        _compare_adjoint(subject, tangents, found)
    else:
        expect_near("the tangent", found, right, max(CLOSE, rounding_tolerance(subject.dtype)), TRUE)


def _pushed(subject: Subject, tangents: tuple[Tensor, ...]) -> tuple[Tensor, ...] | Failure:
    """Return the reference's J · tangents in float64: the derivative of u ↦ ⟨Jᵀu, tangents⟩."""
    reference = subject.reference

    def push() -> tuple[Tensor, ...]:
        if reference is None:
            raise Unsupported("there is no reference")
        inputs = float64_samples(subject)
        outputs = outputs_of(reference(*inputs))
        cotangents = tuple(torch.zeros_like(output, requires_grad=True) for output in outputs)
        pulled = torch.autograd.grad(outputs, inputs, cotangents, create_graph=True, materialize_grads=True)
        upcast = [tangent.cpu().double() for tangent in tangents]
        return torch.autograd.grad(pulled, cotangents, upcast, materialize_grads=True)

    return attempt("the reference", push)


def _compare_adjoint(subject: Subject, tangents: tuple[Tensor, ...], found: tuple[Tensor, ...]) -> None:
    """Compare with the call's own backward: ⟨u, J t⟩ = ⟨Jᵀu, t⟩. With the signs of J t in u nothing cancels."""
    inputs = subject.leaves()
    values = outputs_of(subject.call(*inputs))
    cotangents = [way.abs() * each.sign() for way, each in zip(subject.directions(found), found, strict=True)]
    gradients = gradients_of(values, inputs, cotangents, may_be_disconnected=True)
    ours = [(each * way).double() for each, way in zip(found, cotangents, strict=True)]
    theirs = [(each * way).double() for each, way in zip(gradients, tangents, strict=True)]
    got, wanted = float(sum(each.sum() for each in ours)), float(sum(each.sum() for each in theirs))
    size = float(sum(each.abs().sum() for each in (*ours, *theirs)))
    if not abs(got - wanted) <= max(CLOSE, rounding_tolerance(subject.dtype)) * size:
        raise Wrong(f"forward and backward mode disagree: ⟨u, J t⟩ is {got:.6g}, ⟨Jᵀu, t⟩ is {wanted:.6g}")
