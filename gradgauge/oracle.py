"""The truth that implementations are judged against: the reference in float64 on the CPU, on the upcast inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradgauge.calling import gradients_of, outputs_of
from gradgauge.catalog import FunctionEntry

Cotangents = Callable[[Sequence[Tensor]], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Truth:
    """One set of inputs with all that is right for it; every tensor on the CPU, results in float64.

    inputs, grad_outputs: in the working dtype. values, gradients: the oracle's.
    slopes_scale: for each input the magnitude that its gradient's errors are measured against, at the least.
    lowest, highest: for each input the bounds of a right gradient; equal but at kinks.
    compared: for each input where the gradient is judged at all (not where an input is NaN).
    kinds: of each element of the first input, the index in `atlas.KINDS`; None where all are random.
    is_tuple: the reference returns a tuple, be it of one.
    """

    inputs: tuple[Tensor, ...]
    grad_outputs: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    gradients: tuple[Tensor, ...]
    slopes_scale: tuple[Tensor, ...]
    lowest: tuple[Tensor, ...]
    highest: tuple[Tensor, ...]
    compared: tuple[Tensor, ...]
    kinds: Tensor | None = None
    is_tuple: bool = False

    @property
    def is_contaminated(self) -> bool:
        """Whether the edges make results non-finite beyond their own elements, as a reduction does."""
        tensors = (*self.values, *self.gradients)
        if not self.is_elementwise:
            return True
        if self.kinds is None:
            return False
        random = self.kinds == 0
        return not all(tensor[random].isfinite().all() for tensor in tensors)

    @property
    def is_elementwise(self) -> bool:
        """Whether all tensors have one shape, so that an element of one belongs to that of another."""
        shape = self.inputs[0].shape
        return all(tensor.shape == shape for tensor in (*self.inputs, *self.values))


def tell_truth(
    entry: FunctionEntry,
    inputs: tuple[Tensor, ...],
    cotangents_of: Cotangents,
    kinds: Tensor | None = None,
) -> Truth:
    """Return the truth for these inputs.

    The inputs, already in the working dtype, are what is upcast: casting float64 inputs down would hide errors.
    cotangents_of: the outputs, rounded to the working dtype → a grad_output for each.
    """
    leaves = tuple(tensor.double().detach().requires_grad_() for tensor in inputs)
    result = entry.reference.implementation.call(*leaves)
    values = outputs_of(result)
    dtype = inputs[0].dtype
    grad_outputs = cotangents_of([value.detach().to(dtype) for value in values])
    upcast = tuple(grad.double() for grad in grad_outputs)
    gradients = gradients_of(values, leaves, upcast, may_be_disconnected=True)
    plain = tuple(leaf.detach() for leaf in leaves)
    lowest, highest = _bounds(entry, plain, upcast, gradients)
    return Truth(
        inputs,
        grad_outputs,
        tuple(value.detach() for value in values),
        gradients,
        _slopes_scale(entry, plain, upcast),
        lowest,
        highest,
        tuple(~mask for mask in _nan_masks(plain)),
        kinds,
        isinstance(result, tuple),
    )


def _bounds(
    entry: FunctionEntry, inputs: tuple[Tensor, ...], grad_outputs: tuple[Tensor, ...], gradients: tuple[Tensor, ...]
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    if not entry.function.kinks:
        return gradients, gradients
    spread = _spread(entry, inputs, grad_outputs)
    wide, each = spread or (inputs, gradients)
    lowest, highest = list(each), list(each)
    for kink in entry.function.kinks:
        mask = kink.mask(*wide)
        for index, (left, right) in enumerate(kink.one_sided(*wide, *grad_outputs)):
            if lowest[index].shape == mask.shape:
                lowest[index] = torch.where(mask, torch.minimum(left, right), lowest[index])
                highest[index] = torch.where(mask, torch.maximum(left, right), highest[index])
    if spread is None:
        return tuple(lowest), tuple(highest)
    shapes = [tensor.shape for tensor in inputs]
    return (
        tuple(low.sum_to_size(shape) for low, shape in zip(lowest, shapes, strict=True)),
        tuple(high.sum_to_size(shape) for high, shape in zip(highest, shapes, strict=True)),
    )


def _spread(
    entry: FunctionEntry, inputs: tuple[Tensor, ...], grad_outputs: tuple[Tensor, ...]
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]] | None:
    """Return inputs of different shapes broadcast to that of the outputs, and the gradient of each of their elements.

    None where they are alike, and where the function does not broadcast them so.
    """
    shape = grad_outputs[0].shape
    if all(tensor.shape == shape for tensor in inputs) or any(grad.shape != shape for grad in grad_outputs):
        return None
    try:
        wide = tuple(tensor.expand(shape).clone().requires_grad_() for tensor in inputs)
        values = outputs_of(entry.reference.implementation.call(*wide))
    except RuntimeError:  # a product of matrices, for one
        return None
    if any(value.shape != shape for value in values):
        return None
    gradients = gradients_of(values, wide, grad_outputs, may_be_disconnected=True)
    return tuple(tensor.detach() for tensor in wide), gradients


def _slopes_scale(
    entry: FunctionEntry, inputs: tuple[Tensor, ...], grad_outputs: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    scale = entry.function.gradient_scale
    if callable(scale):
        return tuple(tensor.detach().double() for tensor in scale(inputs, grad_outputs))
    spread = _spread(entry, inputs, grad_outputs)
    if spread is not None:
        # The terms of a sum may cancel; what a rounding of each of them costs is no fault.
        least = scale * sum((grad.abs() for grad in grad_outputs), torch.zeros(()))
        terms = (torch.maximum(gradient.abs(), least) for gradient in spread[1])
        return tuple(term.sum_to_size(tensor.shape) for term, tensor in zip(terms, inputs, strict=True))
    total = sum((grad.abs() for grad in grad_outputs if grad.shape == inputs[0].shape), torch.zeros(()))
    largest = max((float(grad.abs().max()) for grad in grad_outputs if grad.numel()), default=0.0)
    return tuple(
        (scale * total).expand_as(tensor) if total.shape == tensor.shape else torch.full_like(tensor, scale * largest)
        for tensor in inputs
    )


def _nan_masks(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return for each input where a NaN of any input meets it."""
    own = [tensor.isnan() for tensor in inputs]
    try:
        meeting = torch.broadcast_tensors(*own)  # type: ignore[no-untyped-call]
    except RuntimeError:  # inputs that do not broadcast, as a matrix product's: each answers for itself
        return tuple(own)
    together = torch.stack(meeting).any(dim=0).double()
    return tuple(together.sum_to_size(tensor.shape) > 0 for tensor in inputs)
