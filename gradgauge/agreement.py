"""Does an implementation agree with the oracle? Values and gradients, on random inputs and on edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradgauge.attempts import Wrong
from gradgauge.calling import Call, gradients_of, outputs_of
from gradgauge.cases import Case
from gradgauge.catalog import FunctionEntry
from gradgauge.inputs import as_leaf, edge_inputs, generator_for, lay_out, random_inputs
from gradgauge.oracle import Truth, tell_truth
from gradgauge.ulps import count_ulps

TAIL = 2.0**-10
"""A gradient smaller than this share of its scale lies in the tail."""


class WrongStructure(Wrong):
    """Outputs of the wrong number, shape, dtype or device; the message says which and what was right."""


class WroteIntoInput(Wrong):
    """An input or a grad_output that holds other numbers after the call than before."""


@dataclass
class Comparison:
    """What the elements of one output, or of one input's gradient, came to. ulp figures are maxima.

    elements: how many were compared; nonfinite: how many differ from the oracle in finiteness; worst: the readable
    place of the largest error. NaN errors count as infinite.
    """

    elements: int = 0
    max_ulp: float = 0.0
    nonfinite: int = 0
    tail_ulp: float | None = None
    worst: str = ""
    worst_nonfinite: str = ""

    def merge(self, other: Comparison) -> None:
        """Take in another evaluation of the same tensor."""
        self.elements += other.elements
        self.nonfinite += other.nonfinite
        self.worst_nonfinite = self.worst_nonfinite or other.worst_nonfinite
        if other.max_ulp > self.max_ulp:
            self.max_ulp, self.worst = other.max_ulp, other.worst
        tails = [tail for tail in (self.tail_ulp, other.tail_ulp) if tail is not None]
        self.tail_ulp = max(tails, default=None)


@dataclass
class Agreement:
    """One implementation's comparisons: an entry for each output and each input, and its slope at each kink point."""

    values: list[Comparison]
    gradients: list[Comparison]
    kink_slopes: dict[str, float] = field(default_factory=dict)


def truths_for(case: Case, entry: FunctionEntry, seed: int) -> list[Truth]:
    """Return the inputs that the case's block is judged on: random elements and every edge.

    Edges share a tensor with random elements where that is sound, so that compiled code meets one shape; where an
    edge's NaN would spread (a reduction, a product of matrices), random elements get a tensor of their own.
    """
    random = tuple(lay_out(tensor, case.layout).contiguous() for tensor in random_inputs(case, entry, seed))
    generator = generator_for(case, seed, "cotangents")
    edges = edge_inputs(case, entry, random)
    if len(edges) == 1:
        together = tell_truth(entry, edges[0][0], generator, leading_edges=edges[0][1])
        if not together.is_contaminated:
            return [together]
    return [tell_truth(entry, random, generator)] + [
        tell_truth(entry, inputs, generator, leading_edges=count) for inputs, count in edges
    ]


def run_on(case: Case, call: Call, truth: Truth) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return values and gradients of the call on fresh copies of the truth's tensors, and the inputs it was given."""
    inputs = tuple(as_leaf(tensor, case) for tensor in truth.inputs)
    values = outputs_of(call(*inputs))
    _check_structure(values, truth, inputs[0])
    grad_outputs = tuple(grad.to(case.device, copy=True) for grad in truth.grad_outputs)
    gradients = gradients_of(values, inputs, grad_outputs)
    for what, tensors, before in (("input", inputs, truth.inputs), ("grad_output", grad_outputs, truth.grad_outputs)):
        for index, (tensor, given) in enumerate(zip(tensors, before, strict=True)):
            now = tensor.detach().cpu()
            if not ((now == given) | (now.isnan() & given.isnan())).all():
                raise WroteIntoInput(f"writes into its {what} {index}, which belongs to the caller")
    return values, gradients, inputs


def gradient_budgets(entry: FunctionEntry, truth: Truth) -> list[float]:
    """Return the error budget, in ulps, of each input's gradient.

    A gradient that sums n elements, as a broadcast input's does, may err by √n roundings of the accumulator (float32
    for the half dtypes) besides. Source: Higham and Mary (2019), "A new approach to probabilistic rounding error
    analysis": n roundings in whatever order add up like √n.
    """
    dtype = truth.inputs[0].dtype
    accumulator = torch.float64 if dtype == torch.float64 else torch.float32
    coarseness = torch.finfo(accumulator).eps / torch.finfo(dtype).eps
    largest = max(value.numel() for value in truth.values)
    terms = [largest // max(1, tensor.numel()) for tensor in truth.inputs]
    budget = entry.function.gradient_budget_ulp
    return [budget + (math.sqrt(count) * coarseness if count > 1 else 0.0) for count in terms]


def _check_structure(values: Sequence[Tensor], truth: Truth, like: Tensor) -> None:
    if len(values) != len(truth.values):
        raise WrongStructure(f"{len(values)} outputs, the reference has {len(truth.values)}")
    for index, (value, right) in enumerate(zip(values, truth.values, strict=True)):
        for what, got, wanted in (
            ("shape", tuple(value.shape), tuple(right.shape)),
            ("dtype", value.dtype, like.dtype),
            ("device", value.device, like.device),
        ):
            if got != wanted:
                raise WrongStructure(f"output {index} has {what} {got}, the reference has {wanted}")


def judge(case: Case, entry: FunctionEntry, call: Call, truths: Sequence[Truth]) -> Agreement:
    """Return how the call's values and gradients compare with the truths, all of them taken together."""
    agreement = Agreement([Comparison() for _ in truths[0].values], [Comparison() for _ in truths[0].inputs])
    for truth in truths:
        values, gradients, _ = run_on(case, call, truth)
        for comparison, value, right in zip(agreement.values, values, truth.values, strict=True):
            comparison.merge(_compare_values(value, right, truth))
        for index, (comparison, gradient) in enumerate(zip(agreement.gradients, gradients, strict=True)):
            comparison.merge(_compare_gradients(gradient, truth, index))
        for name, slope in _kink_slopes(entry, truth, gradients).items():
            agreement.kink_slopes.setdefault(name, slope)
    return agreement


def _compare_values(value: Tensor, right: Tensor, truth: Truth) -> Comparison:
    got = value.detach().cpu().double()
    dtype = value.dtype
    everywhere = torch.ones_like(right, dtype=torch.bool)
    differs, both = _finiteness(got, right, right, everywhere, dtype)
    ulps = torch.where(both, count_ulps(got - right, right, dtype), 0.0)
    return _summarize(ulps, differs, everywhere, got, right, truth)


def _compare_gradients(gradient: Tensor, truth: Truth, index: int) -> Comparison:
    got = gradient.detach().cpu().double()
    dtype = gradient.dtype
    right, low, high = truth.gradients[index], truth.lowest[index], truth.highest[index]
    compared = truth.compared[index]
    differs, both = _finiteness(got, low, high, compared, dtype)
    error = torch.maximum(low - got, got - high).clamp(min=0)
    slopes = truth.slopes_scale[index]
    scale = torch.where(slopes.isfinite(), torch.maximum(right.abs(), slopes), right.abs())
    ulps = torch.where(both, count_ulps(error, scale, dtype), 0.0)
    comparison = _summarize(ulps, differs, compared, got, right, truth)
    tail = both & (right != 0) & (right.abs() < TAIL * scale)
    if tail.any():
        comparison.tail_ulp = float(count_ulps(error, right, dtype)[tail].max())
    return comparison


def _finiteness(got: Tensor, low: Tensor, high: Tensor, compared: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return where finiteness differs from the oracle's as the dtype would hold it, and where both are finite."""
    stored_low = low.to(dtype).double()
    stored_high = stored_low if high is low else high.to(dtype).double()
    both = got.isfinite() & stored_low.isfinite() & stored_high.isfinite()
    alike = both | (got == stored_low) | (got == stored_high) | (got.isnan() & stored_low.isnan())
    # On the brink of overflow a rounding decides between the largest finite value and infinity.
    brink = torch.finfo(dtype).max * (1 - 8 * torch.finfo(dtype).eps)
    alike |= (got.abs() >= brink) & (high.abs() >= brink) & (got.sign() == high.sign())
    return ~alike & compared, both & compared


def _summarize(ulps: Tensor, differs: Tensor, compared: Tensor, got: Tensor, right: Tensor, truth: Truth) -> Comparison:
    count = int(compared.sum())
    if not count:
        return Comparison()
    # A NaN among the ulps must lose, and max() of a tensor with NaN is NaN: so it does.
    flat = ulps.reshape(-1)
    largest = float(flat.max())
    place = int(flat.nan_to_num(nan=math.inf).argmax())
    lost = int(differs.sum())
    return Comparison(
        elements=count,
        max_ulp=math.inf if math.isnan(largest) else largest,
        nonfinite=lost,
        worst=_describe(place, got, right, truth) if not largest <= 0 else "",
        worst_nonfinite=_describe(int(differs.reshape(-1).int().argmax()), got, right, truth) if lost else "",
    )


def _describe(place: int, got: Tensor, right: Tensor, truth: Truth) -> str:
    wrong, true = float(got.reshape(-1)[place]), float(right.reshape(-1)[place])
    if all(tensor.shape == got.shape for tensor in truth.inputs):
        given = ", ".join(f"{float(tensor.reshape(-1)[place]):.6g}" for tensor in truth.inputs)
        return f"at ({given}): {wrong:.6g} where {true:.6g} is right"
    return f"at flat index {place}: {wrong:.6g} where {true:.6g} is right"


def _kink_slopes(entry: FunctionEntry, truth: Truth, gradients: Sequence[Tensor]) -> dict[str, float]:
    slopes = {}
    for kink in entry.function.kinks:
        if kink.point is None or gradients[0].shape != truth.inputs[0].shape:
            continue
        at = (truth.inputs[0].reshape(-1).double() == kink.point).nonzero().reshape(-1)
        at = at[truth.grad_outputs[0].reshape(-1)[at] != 0]
        if len(at):
            place = at[0]
            gradient = gradients[0].detach().cpu().double().reshape(-1)[place]
            slopes[kink.name] = float(gradient / truth.grad_outputs[0].double().reshape(-1)[place])
    return slopes
