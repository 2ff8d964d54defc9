"""Proof that an error budget rejects what is wrong: faults of its own making, measured by it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gradgauge.error_budgets import Budgets
from gradgauge.oracle import Truth
from gradgauge.ulps import count_ulps

LEAST_SHARE, LEAST_EPS = 1e-3, 16
"""A relative fault is 0.1 %, or 16 eps of the dtype where rounding hides that."""


@dataclass(frozen=True)
class Power:
    """The fault that comes nearest to passing a budget: its name, and how many times what is excused it errs by."""

    fault: str
    times: float


def power_of_value(truth: Truth, index: int, budgets: Budgets) -> Power:
    """Return the weakest proof that the budget of an output's value rejects what is wrong."""
    right = truth.values[index]
    return _weakest(right, right.abs(), truth.inputs, truth.inputs[0].dtype, budgets.of_value(truth, index))


def power_of_gradient(truth: Truth, index: int, budgets: Budgets) -> Power:
    """Return the weakest proof that the budget of an input's gradient rejects what is wrong."""
    right = truth.gradients[index]
    scale = torch.maximum(right.abs(), truth.slopes_scale[index])
    excused = budgets.of_gradient(truth, index)
    return _weakest(right, scale, truth.grad_outputs, truth.inputs[0].dtype, excused)


def _weakest(right: Tensor, scale: Tensor, copied: tuple[Tensor, ...], dtype: torch.dtype, excused: Tensor) -> Power:
    found = []
    meant = right.isfinite() & scale.isfinite() & (scale != 0)
    for name, wrong in _faults(right, copied, dtype):
        # An overflow is seen whatever the budget, and proves nothing of it.
        times = (count_ulps(wrong - right, scale, dtype) / excused)[meant & wrong.isfinite()]
        largest = float(times.max()) if len(times) else 0.0
        if largest > 0:  # else it is no fault: the function is constant, or the identity
            found.append(Power(name, largest))
    return min(found, key=lambda power: power.times, default=Power("nothing tried differs", math.inf))


def _faults(right: Tensor, copied: tuple[Tensor, ...], dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    finite = right[right.isfinite()]
    yield "zeros", torch.zeros_like(right)
    yield "a constant", torch.full_like(right, float(finite.median()) if len(finite) else 0.0)
    for tensor in copied:
        if tensor.shape == right.shape:
            yield "the identity", tensor.double()
    yield "a flipped sign", -right
    share = max(LEAST_SHARE, LEAST_EPS * torch.finfo(dtype).eps)
    yield f"{100 * share:.2g} % too much", (right * (1 + share)).to(dtype).double()
