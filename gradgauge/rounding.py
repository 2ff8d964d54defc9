"""How far correctly rounded steps may lead off: budgets derived from data, and proof that they have power.

Source: Parker (1997), "Monte Carlo arithmetic"; Higham (2002), "Accuracy and stability of numerical algorithms", § 2.2
for the model: every operation's result is the exact one, off by at most a rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gradgauge.attempts import Failure, attempt
from gradgauge.calling import Call, gradients_of, outputs_of
from gradgauge.cases import Case
from gradgauge.catalog import FunctionEntry
from gradgauge.inputs import cotangents, edges_of, generator_for, random_inputs
from gradgauge.oracle import Truth, tell_truth
from gradgauge.ulps import count_ulps, ulp

CORRECTLY_ROUNDED_ULP = 0.5
LEAST_BUDGET_ULP = 0.5
"""The result itself has to be rounded, however few steps lead to it."""
LIBRARY_ULP = 1.0
"""What exp, log and their kind may be off by: SLEEF, which PyTorch computes them with on a CPU, promises 1.0 ulp."""

ELEMENTS = 1 << 16
"""So many elements, over all draws together, are tried at the least."""
DRAWS = (8, 64)
SHAPE = "64x64"

_ROUNDED = frozenset(
    """
    add sub rsub mul div reciprocal sqrt addcmul addcdiv lerp square sum mean mm bmm addmm baddbmm dot mv
    """.split()  # noqa: SIM905  (a hundred quotation marks hide the names)
)
_EXACT = frozenset(
    """
    abs neg sign sgn where clamp clamp_min clamp_max minimum maximum fmin fmax relu threshold threshold_backward
    hardtanh hardtanh_backward ceil floor round trunc copysign heaviside ldexp masked_fill copy clone _to_copy
    positive nan_to_num fill zero fmod remainder frac lift_fresh scalar_tensor
    """.split()  # noqa: SIM905  (a hundred quotation marks hide the names)
)


class RoundedSteps(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Within it each operator's float64 result is moved, up or down at random, by what rounding it to a dtype may cost.

    What PyTorch computes in one call but as several steps is taken apart first.
    """

    def __init__(self, dtype: torch.dtype, generator: torch.Generator) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._dtype, self._generator = dtype, generator

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operator."""
        kwargs = kwargs or {}
        steps = _steps_of(func)
        if steps is not None:
            with self:
                result = steps(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        name = func._schema.name.partition("::")[2]  # noqa: SLF001  (an operator has no public name)
        cost = _cost_ulp(func, name.rstrip("_"))
        if not cost:
            return result
        if name.endswith("_"):  # in place: the result is the first argument
            return result.add_(self._off(result, cost)) if result.dtype == torch.float64 else result
        return torch.utils._pytree.tree_map_only(Tensor, lambda out: self._moved(out, cost), result)  # noqa: SLF001

    def _moved(self, out: Tensor, cost_ulp: float) -> Tensor:
        return out + self._off(out, cost_ulp) if out.dtype == torch.float64 else out

    def _off(self, out: Tensor, cost_ulp: float) -> Tensor:
        signs = torch.randint(0, 2, out.shape, generator=self._generator, dtype=torch.float64) * 2 - 1
        return torch.where(out.isfinite(), signs * cost_ulp * ulp(out, self._dtype), 0.0)


def _cost_ulp(func: Any, name: str) -> float:
    if name in _ROUNDED:
        return CORRECTLY_ROUNDED_ULP
    if name in _EXACT or torch.Tag.pointwise not in func.tags:
        return 0.0
    return LIBRARY_ULP


def _steps_of(func: Any) -> Callable[..., Any] | None:
    aten = torch.ops.aten
    if func is aten.sigmoid.default:
        return lambda x: 1 / (1 + torch.exp(-x))
    if not func.name().endswith("_backward"):
        return None
    steps: Callable[..., Any] | None = _decompositions().get(func)
    return steps


_TABLE: dict[Any, Callable[..., Any]] = {}


def _decompositions() -> dict[Any, Callable[..., Any]]:
    if not _TABLE:
        _TABLE.update(torch.export.default_decompositions().items())  # type: ignore[no-untyped-call]
    return _TABLE


@dataclass(frozen=True)
class Budgets:
    """The error, in ulps, that roundings excuse: of each output's value, and of each input's gradient."""

    values: tuple[float, ...]
    gradients: tuple[float, ...]

    def for_gradients(self, truth: Truth) -> list[float]:
        """Return the budget of each input's gradient for tensors of this truth's shapes.

        A gradient that sums n elements, as a broadcast input's does, may err by √n roundings of the accumulator
        (float32 for the half dtypes) besides. Source: Higham and Mary (2019), "A new approach to probabilistic
        rounding error analysis": n roundings in whatever order add up like √n.
        """
        dtype = truth.inputs[0].dtype
        accumulator = torch.float64 if dtype == torch.float64 else torch.float32
        coarseness = torch.finfo(accumulator).eps / torch.finfo(dtype).eps
        largest = max(value.numel() for value in truth.values)
        terms = [largest // max(1, tensor.numel()) for tensor in truth.inputs]
        own = zip(self.gradients, terms, strict=True)
        return [budget + (math.sqrt(count) * coarseness if count > 1 else 0.0) for budget, count in own]


def sample_truth(case: Case, entry: FunctionEntry) -> Truth:
    """Return what budgets are derived on: random elements and the finite edges, the same whatever a run's seed."""
    case = replace(case, layout="contiguous", shape=SHAPE)
    if entry.function.sample is not None or isinstance(attempt("the reference", lambda: _truth(case, entry)), Failure):
        return _truth(replace(case, shape=_smallest(entry)), entry)
    return _truth(case, entry)


def _truth(case: Case, entry: FunctionEntry) -> Truth:
    inputs = random_inputs(case, entry, 0)
    edges = edges_of(entry.function, inputs[0].dtype).values
    edges = edges[edges.isfinite()]
    if len(inputs) == 1 and inputs[0].numel() > len(edges):
        inputs[0].view(-1)[: len(edges)] = edges
    generator = generator_for(case, 0, "rounding")
    return tell_truth(entry, inputs, lambda outputs: cotangents(outputs, generator))


def _smallest(entry: FunctionEntry) -> str:
    return next((shapes[0] for shapes in entry.function.shapes.values() if shapes), SHAPE)


def derive_budgets(entry: FunctionEntry, truth: Truth) -> Budgets:
    """Return what the steps of the reference and of the spec's other formulations may cost on these inputs.

    A budget that the spec states itself stands. The largest deviation over all elements and draws counts.
    """
    function = entry.function
    generator = torch.Generator().manual_seed(0)
    values, gradients = [LEAST_BUDGET_ULP] * len(truth.values), [LEAST_BUDGET_ULP] * len(truth.inputs)
    draws = max(DRAWS[0], min(DRAWS[1], ELEMENTS // max(1, truth.inputs[0].numel())))
    scales = [
        torch.maximum(right.abs(), scale) for right, scale in zip(truth.gradients, truth.slopes_scale, strict=True)
    ]
    for call in (entry.reference.implementation.call, *function.formulations):
        exact = _evaluate(call, truth)
        for _ in range(draws):
            with RoundedSteps(truth.inputs[0].dtype, generator):
                moved = _evaluate(call, truth)
            for found, right, off, at in (
                *((values, index, moved[0][index] - exact[0][index], exact[0][index]) for index in range(len(values))),
                *(
                    (gradients, index, moved[1][index] - exact[1][index], scales[index])
                    for index in range(len(gradients))
                ),
            ):
                found[right] = max(found[right], _largest(off, at, truth.inputs[0].dtype))
    return Budgets(
        tuple(function.value_budget_ulp or budget for budget in values),
        tuple(function.gradient_budget_ulp or budget for budget in gradients),
    )


def _evaluate(call: Call, truth: Truth) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    leaves = tuple(tensor.double().detach().requires_grad_() for tensor in truth.inputs)
    values = outputs_of(call(*leaves))
    gradients = gradients_of(values, leaves, tuple(grad.double() for grad in truth.grad_outputs))
    return tuple(value.detach() for value in values), gradients


def _largest(off: Tensor, at: Tensor, dtype: torch.dtype) -> float:
    # Where the true result is 0 an ulp is a subnormal, and no multiple of it means anything.
    meant = off.isfinite() & at.isfinite() & (at != 0)
    return float(count_ulps(off[meant], at[meant], dtype).max()) if meant.any() else 0.0


@dataclass(frozen=True)
class Power:
    """The fault that comes nearest to passing a budget: its name, and how many times the budget it errs by."""

    fault: str
    times: float


def power_of_value(truth: Truth, index: int, budget: float) -> Power:
    """Return the weakest proof that the budget of an output's value rejects what is wrong."""
    right = truth.values[index]
    return _weakest(right, right.abs(), truth.inputs, truth.inputs[0].dtype, budget)


def power_of_gradient(truth: Truth, index: int, budget: float) -> Power:
    """Return the weakest proof that the budget of an input's gradient rejects what is wrong."""
    right = truth.gradients[index]
    scale = torch.maximum(right.abs(), truth.slopes_scale[index])
    return _weakest(right, scale, truth.grad_outputs, truth.inputs[0].dtype, budget)


def _weakest(right: Tensor, scale: Tensor, copied: tuple[Tensor, ...], dtype: torch.dtype, budget: float) -> Power:
    found = []
    for name, wrong in _faults(right, copied, dtype):
        errors = count_ulps(wrong - right, scale, dtype)[right.isfinite() & scale.isfinite() & (scale != 0)]
        largest = float(errors.max()) if len(errors) else 0.0
        if largest > 0:  # else it is no fault: the function is constant, or the identity
            found.append(Power(name, largest / budget))
    return min(found, key=lambda power: power.times, default=Power("nothing tried differs", math.inf))


def _faults(right: Tensor, copied: tuple[Tensor, ...], dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    yield "zeros", torch.zeros_like(right)
    yield (
        "a constant",
        torch.full_like(right, float(right[right.isfinite()].median()) if right.isfinite().any() else 0.0),
    )
    for tensor in copied:
        if tensor.shape == right.shape:
            yield "the identity", tensor.double()
    yield "a flipped sign", -right
    share = max(1e-3, 16 * torch.finfo(dtype).eps)
    yield f"{100 * share:.2g} % too much", (right * (1 + share)).to(dtype).double()
