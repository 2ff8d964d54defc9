"""What is no fault in a user's function: roundings, and what the reference itself errs by in the inputs' dtype."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from gradgauge.attempts import Failure, attempt
from gradgauge.calling import Call, gradients_of, outputs_of
from gradgauge.error_budgets import LEAST_ULP, Budgets
from gradgauge.oracle import Truth
from gradgauge.ulps import count_ulps, ulp

LEAST, LEAST_OF_HALF = 8.0, 2.0
"""So many ulps are always excused, 1e-6 in float32: a reference may be exact, as `clamp` is, where another way of
writing it rounds; fewer in bfloat16 and float16."""
SAFETY = 4.0
"""Another kernel of the same formula, for strided memory say, may err by so many times what one does."""
MOST_OWN = 64
"""So many ulps of what lies about it the reference's own error excuses at most: it may be wrong in a dtype itself."""
MOST_KEPT = 64
BINADES = 301
OVERFLOWN = (math.inf, -math.inf, math.nan)

Evaluated = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
"""Values and gradients, in float64."""


@dataclass(frozen=True)
class Excuses(Budgets):
    """Budgets for a reference that nobody wrote for this: it may be one fused kernel, or no elementwise function.

    A fused kernel hides the steps that budgets are derived from, so what it errs by itself is excused, too. Where the
    elements of a result hang on all those of an input, errors are measured at the largest of them.

    sample: what the budgets were derived on.
    """

    sample: Truth | None = None
    is_elementwise: bool = True
    _own_kept: dict[int, tuple[Truth, Evaluated | None]] = field(default_factory=dict)
    _tables_kept: dict[tuple[str, int], Tensor] = field(default_factory=dict)

    @cached_property
    def strict(self) -> Excuses:
        """Return the same without what has to be derived on the very tensors, which takes seconds: who passes, passes.

        Returns itself where nothing has.
        """
        values, gradients = (
            tuple(LEAST_ULP if each is None else each for each in part) for part in (self.values, self.gradients)
        )
        if (values, gradients) == (self.values, self.gradients):
            return self
        return Excuses(self.entry, values, gradients, sample=self.sample, is_elementwise=self.is_elementwise)

    def of_value(self, truth: Truth, index: int) -> Tensor:
        """Return the ulps that are excused at each element of an output; float64, of its shape or 0-d."""
        if not self.is_elementwise:
            return self._at_largest("values", truth, index)
        return self._wider(super().of_value(truth, index), "values", truth, index)

    def of_gradient(self, truth: Truth, index: int) -> Tensor:
        """Return the ulps that are excused at each element of an input's gradient; float64, of its shape or 0-d."""
        if not self.is_elementwise:
            return self._at_largest("gradients", truth, index)
        return self._wider(super().of_gradient(truth, index), "gradients", truth, index)

    def stored(self, truth: Truth) -> list[Evaluated]:
        """Return what the reference comes to in the working dtype, too.

        Where it overflows on the way to a sum or a product of matrices, the order of the terms decides what comes out.
        """
        found, own = super().stored(truth), self._own(truth)
        if own is None:
            return found
        if self.is_elementwise:
            return [*found, _where_overflown(own, truth, own)]
        numbers = ([[torch.tensor(number)] * len(part) for part in own] for number in OVERFLOWN)
        return [*found, *(_where_overflown(own, truth, each) for each in numbers)]

    def _wider(self, derived: Tensor, part: str, truth: Truth, index: int) -> Tensor:
        """Return the derived budget, or the reference's own error about each element where that is more."""
        dtype, scale = truth.inputs[0].dtype, _scale(part, truth, index)
        pools = _pools(truth.inputs, scale)
        error = _largest_of(self._own_error(part, truth, index), pools)
        if len(truth.inputs) == 1 and self.sample is not None:
            table = self._table(part, index)[pools]
            error = torch.maximum(error, table * (truth.grad_outputs[0].double().abs() if part == "gradients" else 1.0))
        about = torch.maximum(_largest_of(scale, pools), _magnitude(truth.inputs, scale))
        excused = torch.minimum(SAFETY * error, MOST_OWN * ulp(about, dtype))
        return torch.maximum(derived, count_ulps(excused, scale, dtype).nan_to_num(nan=0.0)).clamp(min=_least(dtype))

    def _at_largest(self, part: str, truth: Truth, index: int) -> Tensor:
        """Return what roundings cost on the sample, in ulps at the largest element, and the reference's own error."""
        dtype, scale = truth.inputs[0].dtype, _scale(part, truth, index)
        own = SAFETY * _largest_of(self._own_error(part, truth, index), torch.zeros(scale.shape, dtype=torch.int64))
        at = ulp(_largest_of(scale, torch.zeros(scale.shape, dtype=torch.int64)), dtype)
        excused = torch.maximum(torch.minimum(own, MOST_OWN * at), self._table(part, index) * at)
        return count_ulps(excused, scale, dtype).nan_to_num(nan=0.0).clamp(min=_least(dtype))

    def _table(self, part: str, index: int) -> Tensor:
        """Return what the sample tells: the reference's own error in each binade, or what is excused at the largest."""
        if (part, index) not in self._tables_kept:
            made = self._own_in_binades if self.is_elementwise else self._derived_at_largest
            self._tables_kept[part, index] = made(part, index)
        return self._tables_kept[part, index]

    def _own_in_binades(self, part: str, index: int) -> Tensor:
        """Return for each binade of the one input the largest error; a gradient's, for a cotangent of 1."""
        assert self.sample is not None
        error = self._own_error(part, self.sample, index)
        if part == "gradients":
            error = (error / self.sample.grad_outputs[0].double().abs()).nan_to_num(0.0, posinf=0.0)
        pools = _pools(self.sample.inputs, error).reshape(-1)
        return torch.zeros(BINADES, dtype=torch.float64).scatter_reduce(0, pools, error.reshape(-1), "amax")

    def _derived_at_largest(self, part: str, index: int) -> Tensor:
        assert self.sample is not None
        truth, dtype = self.sample, self.sample.inputs[0].dtype
        derived = super().of_value(truth, index) if part == "values" else super().of_gradient(truth, index)
        scale = _scale(part, truth, index)
        if not scale.numel():
            return derived.max() if derived.numel() else torch.tensor(LEAST_ULP, dtype=torch.float64)
        finite = torch.where(scale.isfinite(), scale, 0.0)
        return (derived * ulp(finite, dtype)).max() / ulp(finite.max(), dtype)

    def _own_error(self, part: str, truth: Truth, index: int) -> Tensor:
        """Return by how much the reference errs in the working dtype; 0 where it is not finite."""
        own, right = self._own(truth), _part(part, truth)[index]
        if own is None:
            return torch.zeros_like(right)
        error = (own[part == "gradients"][index] - right).abs()
        return torch.where(error.isfinite(), error, 0.0)

    def _own(self, truth: Truth) -> Evaluated | None:
        """Return the reference in the working dtype, None where it cannot be had."""
        if id(truth) not in self._own_kept:
            if len(self._own_kept) >= MOST_KEPT:
                self._own_kept.clear()
            found = attempt("it", lambda: _in_working_dtype(self.entry.reference.implementation.call, truth))
            self._own_kept[id(truth)] = truth, None if isinstance(found, Failure) else found
        return self._own_kept[id(truth)][1]


def _least(dtype: torch.dtype) -> float:
    return LEAST_OF_HALF if dtype in (torch.bfloat16, torch.float16) else LEAST


def _part(part: str, truth: Truth) -> tuple[Tensor, ...]:
    return truth.values if part == "values" else truth.gradients


def _scale(part: str, truth: Truth, index: int) -> Tensor:
    """Return what errors are counted at: the true value, or a gradient's scale."""
    right = _part(part, truth)[index].abs()
    if part == "values":
        return right
    slopes = truth.slopes_scale[index]
    return torch.where(slopes.isfinite(), torch.maximum(right, slopes), right)


def _in_working_dtype(call: Call, truth: Truth) -> Evaluated | None:
    leaves = tuple(tensor.clone().requires_grad_() for tensor in truth.inputs)
    values = outputs_of(call(*leaves))
    grads = [grad.to(value.dtype) for grad, value in zip(truth.grad_outputs, values, strict=True)]
    gradients = gradients_of(values, leaves, grads, may_be_disconnected=True)
    if [value.shape for value in values] != [value.shape for value in truth.values]:
        return None
    return tuple(value.detach().double() for value in values), tuple(gradient.double() for gradient in gradients)


def _where_overflown(own: Evaluated, truth: Truth, then: Sequence[Sequence[Tensor]]) -> Evaluated:
    """Return what is right, but where the reference itself is not finite: there, what is given."""
    values, gradients = (
        tuple(torch.where(mine.isfinite(), right, other) for mine, right, other in zip(*each, strict=True))
        for each in zip(own, (truth.values, truth.gradients), then, strict=True)
    )
    return values, gradients


def _pools(inputs: Sequence[Tensor], like: Tensor) -> Tensor:
    """Return for each element a number that those share whose inputs lie in the same binades; one where none fits."""
    pools = torch.zeros(like.shape, dtype=torch.int64)
    for tensor in inputs:
        size = tensor.double().abs()
        binade = torch.where(size.isfinite() & (size > 0), size, 1e-300).log2().floor().long().clamp(-150, 150)
        try:
            pools = pools * BINADES + (binade + 150).expand(like.shape)
        except RuntimeError:  # a gradient that was summed over broadcast elements
            return torch.zeros(like.shape, dtype=torch.int64)
    return pools


def _magnitude(inputs: Sequence[Tensor], like: Tensor) -> Tensor:
    """Return the size of the inputs at each element; 0 where the shapes do not tell."""
    largest = torch.zeros(like.shape, dtype=torch.float64)
    for tensor in inputs:
        if tensor.shape == like.shape:
            largest = torch.maximum(largest, tensor.double().abs().nan_to_num(0.0, posinf=0.0))
    return largest


def _largest_of(sizes: Tensor, pools: Tensor) -> Tensor:
    """Return for each element the largest finite size in its pool."""
    if not sizes.numel():
        return sizes
    _, numbers = pools.reshape(-1).unique(return_inverse=True)  # type: ignore[no-untyped-call]
    finite = torch.where(sizes.isfinite(), sizes, 0.0).reshape(-1)
    largest = torch.zeros(int(numbers.max()) + 1, dtype=finite.dtype).scatter_reduce(0, numbers, finite, "amax")
    return largest[numbers].reshape(sizes.shape)
