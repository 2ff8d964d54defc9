"""How large an error roundings excuse: derived on data, by moving every step of the reference by a rounding."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gradgauge.atlas import joints
from gradgauge.attempts import Failure, attempt
from gradgauge.calling import Call, gradients_of, outputs_of
from gradgauge.cases import Case
from gradgauge.catalog import FunctionEntry
from gradgauge.inputs import FARTHEST, cotangents, edges_of, generator_for, random_inputs
from gradgauge.model import Function
from gradgauge.oracle import Truth, tell_truth
from gradgauge.profiles import Profile
from gradgauge.rounding import RoundedSteps, StoredSteps
from gradgauge.ulps import count_ulps, ulp

LEAST_ULP = 0.5
"""The result itself has to be rounded, however few steps lead to it."""
SAFETY = 2.0
"""An implementation may take its steps in another order, and a draw may miss the worst case: each is worth as much."""
DRAWS = 24
"""That two equal roundings cancel in all of them happens once in 2^24 elements."""
MOST_KEPT = 64
FLAT = 2.0
"""Where no element is excused more than so many times the median, one number serves for all."""
SHAPE = "64x64"


@dataclass(frozen=True)
class Budgets:
    """What roundings excuse, of each output's value and of each input's gradient, in ulps.

    A number where it is the same everywhere, a profile where it depends on the one input, None where it has to be
    derived on the very tensors: results that cancel, of several inputs.
    """

    entry: FunctionEntry
    values: tuple[float | Profile | None, ...]
    gradients: tuple[float | Profile | None, ...]
    _kept: dict[int, tuple[Truth, tuple[list[Tensor], list[Tensor]]]] = field(default_factory=dict)

    @property
    def strict(self) -> Budgets:
        """Return what to ask first, as it costs less: these themselves."""
        return self

    def of_value(self, truth: Truth, index: int) -> Tensor:
        """Return the ulps that are excused at each element of an output; float64, of its shape or 0-d."""
        budget = self.values[index]
        if budget is None:
            return self._derived(truth)[0][index]
        if isinstance(budget, Profile):
            return budget.at(truth.inputs[0].double(), ulp(truth.values[index], truth.inputs[0].dtype))
        return torch.tensor(budget, dtype=torch.float64)

    def of_gradient(self, truth: Truth, index: int) -> Tensor:
        """Return the ulps that are excused at each element of an input's gradient; float64, of its shape or 0-d.

        A gradient that sums n elements, as a broadcast input's does, may err in each of them (an ulp of their sum is up
        to twice theirs together), in √n roundings of the accumulator (float32 for the half dtypes), and in the last
        rounding. Source: Higham and Mary (2019), "A new approach to probabilistic rounding error analysis": n
        roundings in whatever order add up like √n.
        """
        budget = self.gradients[index]
        if budget is None:
            excused = self._derived(truth)[1][index]
        elif isinstance(budget, Profile):
            excused = budget.at(truth.inputs[index].double(), torch.ones(()))
        else:
            excused = torch.tensor(budget, dtype=torch.float64)
        terms = max(value.numel() for value in truth.values) // max(1, truth.inputs[index].numel())
        if terms <= 1:
            return excused
        dtype = truth.inputs[0].dtype
        accumulator = torch.float64 if dtype == torch.float64 else torch.float32
        coarseness = torch.finfo(accumulator).eps / torch.finfo(dtype).eps
        return 2 * excused + math.sqrt(terms) * coarseness + LEAST_ULP

    def stored(self, truth: Truth) -> list[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]]:
        """Return what each formulation comes to when every step is stored in the working dtype.

        Where a step overflows or underflows there, the oracle in float64 knows nothing of it.
        """
        calls = (self.entry.reference.implementation.call, *self.entry.function.formulations)
        found = []
        for call in calls:
            with StoredSteps(truth.inputs[0].dtype):
                found.append(_evaluate(call, truth))
        return found

    def _derived(self, truth: Truth) -> tuple[list[Tensor], list[Tensor]]:
        if id(truth) not in self._kept:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            excused = _excused(truth, *_deviations(self.entry, truth))
            # Steps that happen to be exact for an element may not be in another order: half of the others decide.
            least = [[ulps.clamp(min=ulps.median()) if ulps.numel() else ulps for ulps in each] for each in excused]
            self._kept[id(truth)] = truth, (least[0], least[1])
        return self._kept[id(truth)][1]


def derive_budgets(entry: FunctionEntry, truth: Truth) -> Budgets:
    """Return what the steps of the reference and of the spec's other formulations may cost, learned on these inputs.

    A budget that the spec states itself stands.
    """
    function = entry.function
    stated = function.value_budget_ulp, function.gradient_budget_ulp
    if all(stated):
        return Budgets(entry, stated[:1] * len(truth.values), stated[1:] * len(truth.inputs))
    values, gradients = _deviations(entry, truth)
    value_ulps, gradient_ulps = _excused(truth, values, gradients)
    x = truth.inputs[0].double().reshape(-1) if _is_elementwise(entry, truth) else None

    def budget(stated_ulp: float | None, ulps: Tensor, off: Tensor | None) -> float | Profile | None:
        if stated_ulp:
            return stated_ulp
        if float(ulps.max()) <= FLAT * float(ulps.median()):
            return float(ulps.max())
        if x is None:
            return None
        absolute = torch.zeros_like(ulps) if off is None else SAFETY * off.nan_to_num(posinf=0.0)
        return Profile.along(x, ulps.reshape(-1), absolute.reshape(-1))

    return Budgets(
        entry,
        tuple(budget(stated[0], *found) for found in zip(value_ulps, values, strict=True)),
        tuple(budget(stated[1], ulps, None) for ulps in gradient_ulps),
    )


def _is_elementwise(entry: FunctionEntry, truth: Truth) -> bool:
    """Whether the reference is a function of one input, element by element: it commutes with a shuffle."""
    if len(truth.inputs) > 1 or not truth.is_elementwise:
        return False
    x = truth.inputs[0].double()
    shuffle = torch.randperm(x.numel(), generator=torch.Generator().manual_seed(0))
    shuffled = outputs_of(entry.reference.implementation.call(x.reshape(-1)[shuffle].reshape(x.shape)))
    return all(
        torch.allclose(value.reshape(-1)[shuffle], moved.reshape(-1), rtol=1e-9, equal_nan=True)
        for value, moved in zip(truth.values, shuffled, strict=True)
    )


def _excused(truth: Truth, values: list[Tensor], gradients: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return the deviations as ulps that are excused; the gradients' at the scale that their errors are counted at."""
    dtype = truth.inputs[0].dtype
    scales = [torch.maximum(right.abs(), at) for right, at in zip(truth.gradients, truth.slopes_scale, strict=True)]
    return (
        [_ulps(off, right, dtype) for off, right in zip(values, truth.values, strict=True)],
        [_ulps(off, scale, dtype) for off, scale in zip(gradients, scales, strict=True)],
    )


def _ulps(off: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    # Where the true result is 0, an ulp is a subnormal, and no multiple of it means anything.
    meant = off.isfinite() & (scale.abs() <= torch.finfo(dtype).max) & (scale != 0)
    return LEAST_ULP + SAFETY * torch.where(meant, count_ulps(off.nan_to_num(), scale, dtype), 0.0)


def _deviations(entry: FunctionEntry, truth: Truth) -> tuple[list[Tensor], list[Tensor]]:
    """Return for each element of every output and gradient the largest deviation over all formulations and draws."""
    generator = torch.Generator().manual_seed(0)
    values = [torch.zeros_like(value) for value in truth.values]
    gradients = [torch.zeros_like(gradient) for gradient in truth.gradients]
    for call in (entry.reference.implementation.call, *entry.function.formulations):
        exact = _evaluate(call, truth)
        for _ in range(DRAWS):
            with RoundedSteps(truth.inputs[0].dtype, generator):
                moved = _evaluate(call, truth)
            for found, got, right in zip((values, gradients), moved, exact, strict=True):
                for index, largest in enumerate(found):
                    found[index] = torch.maximum(largest, (got[index] - right[index]).abs().nan_to_num(posinf=0.0))
    return values, gradients


def _evaluate(call: Call, truth: Truth) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    leaves = tuple(tensor.double().detach().requires_grad_() for tensor in truth.inputs)
    values = outputs_of(call(*leaves))
    grad_outputs = tuple(grad.double() for grad in truth.grad_outputs)
    gradients = gradients_of(values, leaves, grad_outputs, may_be_disconnected=True)
    return tuple(value.detach() for value in values), gradients


def sample_truth(case: Case, entry: FunctionEntry) -> Truth:
    """Return what budgets are derived on: random elements and the finite edges, the same whatever a run's seed.

    Of a function of one input half of the elements lie evenly over what random inputs reach, and beyond it to ±1e4.
    """
    case = replace(case, layout="contiguous", shape=SHAPE)
    if entry.function.sample is not None or isinstance(attempt("the reference", lambda: _truth(case, entry)), Failure):
        return _truth(replace(case, shape=_smallest(entry)), entry)
    return _truth(case, entry)


def _truth(case: Case, entry: FunctionEntry) -> Truth:
    inputs = random_inputs(case, entry, 0)
    if len(inputs) == 1 and entry.function.sample is None:
        spread = _spread(entry.function, inputs[0])[: inputs[0].numel()]
        inputs[0].view(-1)[: len(spread)] = spread
    generator = generator_for(case, 0, "rounding")
    return tell_truth(entry, inputs, lambda outputs: cotangents(outputs, generator))


def _spread(function: Function, drawn: Tensor) -> Tensor:
    edges = edges_of(function, drawn.dtype).values
    reach = 2 * max([float(drawn.abs().max()), *map(abs, joints(function))]) if drawn.numel() else 1.0
    even = torch.linspace(-reach, reach, drawn.numel() // 4, dtype=torch.float64)
    far = torch.logspace(math.log10(reach), math.log10(FARTHEST), drawn.numel() // 16, dtype=torch.float64)
    near = torch.logspace(-6, 0, drawn.numel() // 16, dtype=torch.float64)
    spread = torch.cat([even, far, -far, near, -near]).to(drawn.dtype)
    return torch.cat([edges[edges.isfinite()], spread])


def _smallest(entry: FunctionEntry) -> str:
    return next((shapes[0] for shapes in entry.function.shapes.values() if shapes), SHAPE)
