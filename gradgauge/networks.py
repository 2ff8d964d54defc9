"""scikit-learn's handwritten digits, and the small networks that learn to tell them, with a call somewhere in them."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gradgauge.attempts import Wrong
from gradgauge.calling import Call, outputs_of
from gradgauge.catalog import FunctionEntry
from gradgauge.model import Function

ROLES = ("activation", "weights")

STRETCH = 1.6
"""Latent weights are standard normal; times STRETCH and half the distance between the outermost breakpoints, 27 % of
them begin beyond either one. For the staircase, whose breakpoints are ±5, that is call(8 · w)."""

PIXELS, DIGITS, TRAINED_ON = 64, 10, 1437


@dataclass(frozen=True)
class Digits:
    """Handwritten digits. images: (n, 64), from −1 to 1, exact in every floating dtype; labels: (n,), from 0 to 9."""

    images: Tensor
    labels: Tensor

    def to(self, device: str, dtype: torch.dtype) -> Digits:
        """Return them elsewhere."""
        return Digits(self.images.to(device, dtype), self.labels.to(device))


def missing_data() -> str:
    """Return why there are no digits; empty where there are."""
    if importlib.util.find_spec("sklearn") is None:
        return "needs scikit-learn, which is not installed: pip install 'gradgauge[training]'"
    return ""


def read_digits() -> tuple[Digits, Digits]:
    """Return 1437 digits to train on and 360 to test on, always the same ones, in float64 on the CPU."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    images, labels = torch.from_numpy(data.data / 8 - 1)[order], torch.from_numpy(data.target)[order]
    return Digits(images[:TRAINED_ON], labels[:TRAINED_ON]), Digits(images[TRAINED_ON:], labels[TRAINED_ON:])


def misfit(entry: FunctionEntry, role: str) -> str:
    """Return why the function cannot have the role; empty where it can."""
    points = entry.function.breakpoints
    if role == "weights" and len(points) < 2:
        return f"weights are drawn to the levels of a staircase, which has two breakpoints or more, not {len(points)}"
    x = torch.linspace(-3, 3, 8).reshape(2, 4)
    outputs = outputs_of(entry.reference.implementation.call(x))
    if len(outputs) > 1 or outputs[0].shape != x.shape:
        return f"an activation turns a tensor into one of its shape, not {[tuple(each.shape) for each in outputs]}"
    if not outputs[0].isfinite().all():
        return "an activation is finite wherever a network may take it; this one is not on −3 … 3"
    return ""


@dataclass(frozen=True)
class Network:
    """64 pixels → hidden units → 10 logits, with the call where the role has it.

    activation: call(images · w₁ᵀ + b₁) is what the hidden units say.
    weights: both matrices are call(centre + scale · w) / √inputs for latent w, and tanh is the activation, which has no
        kink of its own for a rounding to fall across.
    """

    role: str
    call: Call
    centre: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, role: str, call: Call, function: Function) -> Network:
        """Return the network, its latent weights stretched over all pieces of the function."""
        if role == "activation":
            return cls(role, call)
        low, high = function.breakpoints[0], function.breakpoints[-1]
        return cls(role, call, (low + high) / 2, STRETCH * (high - low) / 2)

    def draw(self, hidden: int, generator: torch.Generator) -> list[Tensor]:
        """Return new parameters on the CPU in float32: w₁, b₁, w₂, b₂."""
        sizes = ((PIXELS, hidden), (hidden, DIGITS))
        spread = [1.0 if self.role == "weights" else 1 / math.sqrt(inputs) for inputs, _ in sizes]
        drawn = [
            torch.randn(outputs, inputs, generator=generator) * each
            for (inputs, outputs), each in zip(sizes, spread, strict=True)
        ]
        return [drawn[0], torch.zeros(hidden), drawn[1], torch.zeros(DIGITS)]

    def logits(self, parameters: Sequence[Tensor], images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the logits, (n, 10), and the tensors that the call was given."""
        first, first_bias, second, second_bias = parameters
        if self.role == "activation":
            given = [images @ first.T + first_bias]
            return self._called(given[0]) @ second.T + second_bias, given
        given = [self.centre + self.scale * latent for latent in (first, second)]
        into, out_of = (self._called(each) / math.sqrt(each.shape[1]) for each in given)
        return torch.tanh(images @ into.T + first_bias) @ out_of.T + second_bias, given

    def loss(self, parameters: Sequence[Tensor], batch: Digits) -> tuple[Tensor, list[Tensor]]:
        """Return the mean cross entropy, and the tensors that the call was given."""
        logits, given = self.logits(parameters, batch.images)
        return functional.cross_entropy(logits, batch.labels), given

    def _called(self, x: Tensor) -> Tensor:
        y = outputs_of(self.call(x))[0]
        if y.shape != x.shape:
            raise Wrong(f"returned a tensor of shape {tuple(y.shape)} for one of {tuple(x.shape)}")
        return y
