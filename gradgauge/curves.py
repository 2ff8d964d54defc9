"""What an implementation computes along a line: f, f′ and their errors, and the atlas of its kinks and edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gradgauge.agreement import compare_gradients, compare_values
from gradgauge.atlas import Place, joints, places
from gradgauge.calling import Call
from gradgauge.cases import Case, parse_shapes
from gradgauge.catalog import FunctionEntry
from gradgauge.error_budgets import Budgets
from gradgauge.inputs import FARTHEST, place_values, torch_dtype
from gradgauge.model import Function
from gradgauge.oracle import Truth, tell_truth
from gradgauge.trials import Trial, Way

OTHERS_AT = 1.5
"""Where the inputs that a curve does not follow are held."""


@dataclass(frozen=True)
class Curve:
    """One line of a picture. name: `value` or `gradient`, or either's `_error` or `_budget`; along: what it follows."""

    name: str
    along: str
    x: list[float]
    y: list[float]


def curves_of(case: Case, entry: FunctionEntry, call: Call, budgets: Budgets) -> Iterator[Curve]:
    """Yield value and gradient of the call's first output along each of its inputs, their errors and what is excused.

    The points lie close over the function's `curve`, joints included, and thin out to ±1e4 beyond it. Errors and
    budgets are in ulps of the case's dtype, as agreement counts them.
    """
    names = entry.function.inputs
    x = _points(entry.function).to(torch_dtype(case.dtype, case.function))
    for along, name in enumerate(names):
        truth = _truth_along(entry, along, x)
        trial = Trial(case, call, truth, _first_output(truth)).finish()
        value = compare_values(trial.values[0], truth, 0)
        gradient = trial.gradients[along]
        assert gradient is not None
        slope = compare_gradients(gradient, truth, along)
        given = _floats(x)
        yield Curve("value", name, given, _floats(value.got))
        yield Curve("gradient", name, given, _floats(slope.got))
        yield Curve("value_error", name, given, _floats(torch.where(value.both, value.ulps, torch.nan)))
        yield Curve("gradient_error", name, given, _floats(torch.where(slope.both, slope.ulps, torch.nan)))
        yield Curve("value_budget", name, given, _floats(budgets.of_value(truth, 0).expand(x.shape)))
        yield Curve("gradient_budget", name, given, _floats(budgets.of_gradient(truth, along).expand(x.shape)))


@dataclass(frozen=True)
class AtlasEntry:
    """What an implementation computes at one place. what: `value` or `gradient`; along: the input that is there.

    right: the oracle's. low, high: the bounds of a right gradient. is_right: whether the result is excused, kinks and
    roundings considered; None where it is not judged.
    """

    what: str
    along: str
    place: Place
    x: float
    y: float
    right: float
    low: float
    high: float
    is_right: bool | None


def atlas_of(case: Case, entry: FunctionEntry, call: Call, budgets: Budgets) -> Iterator[AtlasEntry]:
    """Yield value and gradient (for a cotangent of 1) at every landmark of the function, along each of its inputs.

    The tensors have the case's shape, so that compiled code needs no other kernel; nothing is yielded where the
    landmarks do not fit into it.
    """
    found = [place for place in places(entry.function) if place.is_landmark]
    shapes = parse_shapes(case.shape, len(entry.function.inputs))
    shape = torch.Size(shapes[0])
    if shape.numel() < len(found) or len(set(shapes)) > 1:
        return
    dtype = torch_dtype(case.dtype, case.function)
    x = torch.full(shape, OTHERS_AT, dtype=dtype)
    x.view(-1)[: len(found)] = place_values(found, dtype)
    for along, name in enumerate(entry.function.inputs):
        truth = _truth_along(entry, along, x)
        trial = Trial(case, call, truth, _first_output(truth)).finish()
        value, gradient = compare_values(trial.values[0], truth, 0), trial.gradients[along]
        assert gradient is not None
        slope = compare_gradients(gradient, truth, along)
        rights = (truth.values[0], truth.values[0]), (truth.lowest[along], truth.highest[along])
        both = (
            ("value", value, budgets.of_value(truth, 0)),
            ("gradient", slope, budgets.of_gradient(truth, along)),
        )
        for (what, compared, excused), (low, high) in zip(both, rights, strict=True):
            wrong = compared.differs | ~(compared.ulps <= excused)
            for index, place in enumerate(found):
                at = (int(each) for each in torch.unravel_index(torch.tensor(index), shape))
                spot = tuple(at)
                yield AtlasEntry(
                    what,
                    name,
                    place,
                    float(x[spot]),
                    float(compared.got[spot]),
                    float(compared.right[spot]),
                    float(low[spot]),
                    float(high[spot]),
                    not bool(wrong[spot]) if bool(compared.compared[spot]) else None,
                )


def _truth_along(entry: FunctionEntry, along: int, x: Tensor) -> Truth:
    inputs = tuple(
        x.clone() if index == along else torch.full_like(x, OTHERS_AT) for index in range(len(entry.function.inputs))
    )
    # A cotangent of 1 for the first output, which is the one that is drawn.
    return tell_truth(
        entry, inputs, lambda outputs: tuple(torch.full_like(each, float(each is outputs[0])) for each in outputs)
    )


def _first_output(truth: Truth) -> Way:
    return Way(answered=tuple(index == 0 for index in range(len(truth.values))))


def _points(function: Function) -> Tensor:
    low, high = function.curve or (-1.0, 1.0)
    near = torch.linspace(low, high, 361, dtype=torch.float64)
    beyond = torch.logspace(0, 1, 41, base=10.0, dtype=torch.float64)[1:]
    far = torch.logspace(1, 3, 40, base=10.0, dtype=torch.float64)[1:]
    spread = torch.cat([beyond, far])
    reach = max(abs(low), abs(high))
    outward = (spread * reach).clamp(max=FARTHEST)
    met = torch.tensor(joints(function), dtype=torch.float64)
    points: Tensor = torch.cat([-outward.flip(0), near, met, outward]).unique()  # type: ignore[no-untyped-call]
    return points


def _floats(tensor: Tensor) -> list[float]:
    return [float(value) for value in tensor.detach().cpu().double()]
