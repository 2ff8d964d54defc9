"""Where a call's gradients move a network's parameters elsewhere than the reference's, by more than roundings do."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradgauge.calling import Call, gradients_of
from gradgauge.inputs import torch_dtype
from gradgauge.networks import Network
from gradgauge.training import Moment, Training, flat, one_thread

ROUNDINGS = 10
"""How many times what roundings do a difference must be."""


@one_thread()
def what_roundings_do(training: Training) -> list[float]:
    """Return for each step how far roundings alone would have moved the parameters by then, in the 2-norm.

    That is how far the reference's gradients in the working dtype, times the learning rate and added up, lie from
    those of float64 at the same parameters on the same batches; at the least what storing the parameters rounds. It
    ends before a step whose loss is not finite.
    """
    call = training.entry.reference.implementation.call
    eps = torch.finfo(torch_dtype(training.case.dtype, training.case.function)).eps
    moved: Tensor | float = 0.0
    farthest, found = 0.0, []
    for moment in training.moments(call):
        if not math.isfinite(moment.loss):
            break
        exact = _gradient_at(training.network(call), moment, "cpu", torch.float64)
        moved = moved + training.rate * (exact - moment.gradient)
        farthest = max(farthest, float(moved.norm()), eps * float(flat(moment.parameters).norm()))
        found.append(farthest)
    return found


@one_thread()
def first_difference(training: Training, call: Call, roundings: Sequence[float]) -> int | None:
    """Return the step, from 1, at which the call moves the parameters elsewhere by more than roundings; None for never.

    Its gradients are taken along the reference's own run, at the same parameters on the same batches, and added up.
    Two runs that each go their own way would not do: sooner or later a rounding falls across a kink, where the slope
    jumps, and from then on they may lie a thousand times farther apart, though both are right.
    """
    network = training.network(call)
    moved: Tensor | float = 0.0
    reference = training.moments(training.entry.reference.implementation.call)
    for step, (moment, rounding) in enumerate(zip(reference, roundings, strict=False), 1):
        found = _gradient_at(network, moment, training.case.device, moment.parameters[0].dtype)
        moved = moved + training.rate * (found - moment.gradient)
        if not float(moved.norm()) <= ROUNDINGS * rounding:
            return step
    return None


def _gradient_at(network: Network, moment: Moment, device: str, dtype: torch.dtype) -> Tensor:
    """Return the gradient of all parameters where another network stands, (n,), in float64 on the CPU."""
    parameters = [each.detach().to(device, dtype, copy=True).requires_grad_() for each in moment.parameters]
    loss, _ = network.loss(parameters, moment.batch.to(device, dtype))
    return flat(gradients_of((loss,), parameters, (torch.ones_like(loss),), may_be_disconnected=True))
