"""What a behaviour is tried on: one call, several sets of inputs of one shape, and what is right for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gradgauge.attempts import NotApplicable, Unsupported, Wrong
from gradgauge.behavior.operators import custom_operators
from gradgauge.calling import Call, gradients_of, outputs_of
from gradgauge.loading import first_line

SAMPLES = 3
"""So many sets of inputs a subject has: enough for a batch, for two threads, for calls that must not mix."""
CLOSE = 1e-3
"""Beside what float64 says, relative to the tensor's largest element: the question is whether it is right at all."""
CLOSE_EPS = 16
"""Two ways of the same call may differ by so many eps of the dtype, relative to the largest element."""


@dataclass(frozen=True)
class Run:
    """What one forward and backward came to; all tensors detached, in memory that no later call can reach."""

    values: tuple[Tensor, ...]
    gradients: tuple[Tensor, ...]


@dataclass(frozen=True)
class Subject:
    """One call and what it is tried on.

    samples: `SAMPLES` sets of inputs, alike in shape, dtype and device, detached, away from kinks. mode: `eager` or
    `compiled`. reference: what is right, differentiable twice by autograd; None where nobody knows. reload: gives the
    call as it is before anybody called it; None where that cannot be had. may_set_up: the process is this project's,
    and may be set up otherwise for a while; not where it is a user's.
    """

    call: Call
    samples: tuple[tuple[Tensor, ...], ...]
    mode: str = "eager"
    reference: Call | None = None
    reload: Callable[[], Call] | None = None
    may_set_up: bool = True

    @property
    def device(self) -> torch.device:
        """Return where the inputs lie."""
        return self.samples[0][0].device

    @property
    def dtype(self) -> torch.dtype:
        """Return the inputs' dtype."""
        return self.samples[0][0].dtype

    def plain(self, sample: int = 0) -> tuple[Tensor, ...]:
        """Return copies of a set of inputs, which ask for no gradient."""
        return tuple(tensor.clone() for tensor in self.samples[sample])

    def leaves(self, sample: int = 0) -> tuple[Tensor, ...]:
        """Return copies of a set of inputs as leaves that ask for their gradients."""
        return tuple(tensor.clone().requires_grad_() for tensor in self.samples[sample])

    def directions(self, like: Sequence[Tensor], purpose: int = 0) -> tuple[Tensor, ...]:
        """Return a random tensor for each given one, the same for the same shapes and purpose; no element near 0."""
        return tuple(direction_like(tensor, 101 * purpose + index) for index, tensor in enumerate(like))

    def run(self, call: Call | None = None, sample: int = 0) -> Run:
        """Return values and gradients of the subject's call, or of another, on a set of inputs."""
        inputs = self.leaves(sample)
        call = self.call if call is None else call  # a module may have a length, and be false
        values = outputs_of(call(*inputs))
        gradients = gradients_of(values, inputs, self.directions(values), may_be_disconnected=True)
        return Run(*(tuple(each.detach().clone() for each in tensors) for tensors in (values, gradients)))

    def apart(self) -> Subject:
        """Return the subject with a call of its own, called before, where that can be had.

        What a call keeps from one time to the next (a buffer, a table by shape) holds no number any more once it was
        traced, transformed or given tensors without data; later plain calls must not meet that.
        """
        call = self.loaded_anew() if self.mode == "eager" else None
        if call is None:
            return self
        own = replace(self, call=call)
        own.run()
        return own

    def loaded_anew(self) -> Call | None:
        """Return the call of its file run again; None where that cannot be had.

        A file that defines operators is not run again: that would free those that the call at hand still uses, and
        PyTorch reads on in what was freed.
        """
        if self.reload is None or custom_operators(self.call, self.leaves()):
            return None
        try:
            return self.reload()
        except Exception:  # noqa: BLE001  (what may run but once is no fault)
            return None

    def scalar(self) -> Call:
        """Return inputs ↦ the outputs' inner product with what `run` sends as cotangents, for torch.func.grad."""
        grads = self.directions([value.detach() for value in outputs_of(self.call(*self.plain()))])

        def product(*inputs: Tensor) -> Tensor:
            terms = [(value * grad).sum() for value, grad in zip(outputs_of(self.call(*inputs)), grads, strict=True)]
            return torch.stack(terms).sum()

        return product


class Using(torch.nn.Module):
    """A module that calls what it was given."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call

    def forward(self, *inputs: Tensor) -> Any:
        """Return what the call returns."""
        return self.call(*inputs)


def direction_like(tensor: Tensor, seed: int) -> Tensor:
    """Return numbers from ±[0.5, 1.5) of the tensor's shape, dtype and device, which depend on shape and seed alone."""
    generator = torch.Generator().manual_seed(seed)
    sizes = 0.5 + torch.rand(tensor.shape, generator=generator)
    signs = torch.where(torch.rand(tensor.shape, generator=generator) < 0.5, -1.0, 1.0)
    return (sizes * signs).to(tensor.dtype).to(tensor.device)


def float64_samples(subject: Subject) -> tuple[Tensor, ...]:
    """Return the first set of inputs in float64 on the CPU, as leaves."""
    return tuple(tensor.detach().cpu().double().requires_grad_() for tensor in subject.samples[0])


TRUE, OWN = "is right", "comes of the call itself"
"""What is said of the number beside one that was found: it is the truth, or the call's own without any transform."""


def difference(got: Tensor, right: Tensor, tolerance: float, says: str = TRUE) -> str:
    """Return where two tensors differ most, in words; empty where they are near each other.

    Near is a distance of at most `tolerance` times the largest finite element of `right`, and the same elements finite.
    """
    if got.shape != right.shape:
        return f"shape {tuple(got.shape)} where {tuple(right.shape)} {says}"
    ours, theirs = got.detach().cpu().double().reshape(-1), right.detach().cpu().double().reshape(-1)
    if not len(ours):
        return ""
    both = ours.isfinite() & theirs.isfinite()
    alike = both | (ours == theirs) | (ours.isnan() & theirs.isnan())
    scale = float(theirs[theirs.isfinite()].abs().max()) if theirs.isfinite().any() else 0.0
    error = torch.where(both, (ours - theirs).abs(), torch.where(alike, 0.0, math.inf))
    place = int(error.argmax())
    if not error[place] > tolerance * scale:
        return ""
    return f"{float(ours[place]):.6g} where {float(theirs[place]):.6g} {says}, at flat index {place}"


def rounding_tolerance(dtype: torch.dtype) -> float:
    """Return how far two ways of one computation may be apart, relative to the largest element."""
    return CLOSE_EPS * torch.finfo(dtype).eps


def expect_near(what: str, got: Sequence[Tensor], right: Sequence[Tensor], tolerance: float, says: str = OWN) -> None:
    """Raise Wrong, naming the tensor and the place, unless each tensor is near another. says: what that one is."""
    if len(got) != len(right):
        raise Wrong(f"{what}: {len(got)} tensors where {len(right)} are right")
    for index, (ours, theirs) in enumerate(zip(got, right, strict=True)):
        said = difference(ours, theirs, tolerance, says)
        if said:
            raise Wrong(f"{what}{f' {index}' if len(right) > 1 else ''} is {said}")


def expect_same_run(got: Run, right: Run, tolerance: float, what: str = "") -> None:
    """Raise Wrong unless values and gradients are near each other."""
    expect_near(f"{what}the value", got.values, right.values, tolerance)
    expect_near(f"{what}the gradient", got.gradients, right.gradients, tolerance)


def identical(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same bits; a NaN is taken for any other."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return bool(((one == other) & (one.signbit() == other.signbit()) | (one.isnan() & other.isnan())).all())


def first_unlike(what: str, ones: Sequence[Tensor], others: Sequence[Tensor]) -> str:
    """Return which tensor of a pair holds other bits, in words; empty where none does."""
    for index, (one, other) in enumerate(zip(ones, others, strict=True)):
        if not identical(one, other):
            return f"{what} {index}" if len(ones) > 1 else what
    return ""


@contextmanager
def may_refuse(doing: str) -> Iterator[None]:
    """Within the block an exception says that the call does not support this: it becomes Unsupported."""
    try:
        yield
    except (Wrong, Unsupported, NotApplicable):
        raise
    except Exception as error:
        raise Unsupported(f"{doing}: {first_line(error)}") from error
