"""What an implementation computes along a line: f and f′, drawn from its own forward and backward."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gradgauge.calling import Call, gradients_of, outputs_of
from gradgauge.cases import Case
from gradgauge.catalog import FunctionEntry
from gradgauge.inputs import torch_dtype
from gradgauge.model import Function

FAR = 1e4
OTHERS_AT = 1.5
"""Where the inputs that a curve does not follow are held."""


@dataclass(frozen=True)
class Curve:
    """One line of a picture. name: `value` or `gradient`; along: the input that it follows."""

    name: str
    along: str
    x: list[float]
    y: list[float]


def curves_of(case: Case, entry: FunctionEntry, call: Call) -> Iterator[Curve]:
    """Yield value and gradient of the call's first output along each of its inputs.

    The points lie close over the function's `curve`, joints included, and thin out to ±1e4 beyond it.
    """
    names = entry.function.inputs
    x = _points(entry.function).to(torch_dtype(case.dtype, case.function))
    for along, name in enumerate(names):
        inputs = [torch.full_like(x, OTHERS_AT) if index != along else x.clone() for index in range(len(names))]
        leaves = tuple(tensor.to(case.device).requires_grad_() for tensor in inputs)
        output = outputs_of(call(*leaves))[0]
        gradient = gradients_of([output], leaves, [torch.ones_like(output)])[along]
        yield Curve("value", name, _floats(x), _floats(output))
        yield Curve("gradient", name, _floats(x), _floats(gradient))


def _points(function: Function) -> Tensor:
    low, high = function.curve or (-1.0, 1.0)
    joints = [*function.breakpoints, *(kink.point for kink in function.kinks if kink.point is not None)]
    near = torch.linspace(low, high, 361, dtype=torch.float64)
    beyond = torch.logspace(0, 1, 41, base=10.0, dtype=torch.float64)[1:]
    far = torch.logspace(1, 3, 40, base=10.0, dtype=torch.float64)[1:]
    spread = torch.cat([beyond, far])
    reach = max(abs(low), abs(high))
    outward = (spread * reach).clamp(max=FAR)
    points: Tensor = torch.cat([-outward.flip(0), near, torch.tensor(joints, dtype=torch.float64), outward]).unique()  # type: ignore[no-untyped-call]
    return points


def _floats(tensor: Tensor) -> list[float]:
    return [float(value) for value in tensor.detach().cpu().double()]
