"""Does an implementation agree with the oracle? Its values and gradients, compared element by element."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gradgauge.atlas import KINDS, joints
from gradgauge.calling import Call
from gradgauge.cases import Case
from gradgauge.catalog import FunctionEntry
from gradgauge.diagnosis import diagnose
from gradgauge.error_budgets import Budgets
from gradgauge.oracle import Truth
from gradgauge.situations import Situation
from gradgauge.trials import Trial
from gradgauge.ulps import count_ulps

TAIL = 2.0**-10
"""A gradient smaller than this share of its scale lies in the tail."""


@dataclass
class Comparison:
    """What the elements of one output, or of one input's gradient, came to.

    elements: how many were compared. times_budget: the largest error over what roundings excuse there. max_ulp,
    p999_ulp (99.9 % of the elements err by no more), tail_ulp: errors in ulps; NaN counts as infinite. max_abs,
    max_rel: the largest absolute error, and relative to what is right. nonfinite: how many differ from the oracle in
    finiteness; zero_signs: how many are zeros of the other sign; forgiven: how many are right only because the
    reference's own steps overflow or underflow in the working dtype. worst, worst_nonfinite: what is wrong, and where,
    in words. dots: Σ got·right, Σ got², Σ right².
    """

    elements: int = 0
    times_budget: float = 0.0
    max_ulp: float = 0.0
    p999_ulp: float = 0.0
    max_abs: float = 0.0
    max_rel: float = 0.0
    nonfinite: int = 0
    zero_signs: int = 0
    forgiven: int = 0
    tail_ulp: float | None = None
    worst: str = ""
    worst_nonfinite: str = ""
    dots: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def cosine(self) -> float | None:
        """Return the cosine similarity of what was computed and what is right; None where one of them is zero."""
        product, ours, theirs = self.dots
        return product / math.sqrt(ours * theirs) if ours > 0 and theirs > 0 else None

    @property
    def is_within_budget(self) -> bool:
        """Whether roundings excuse every error."""
        return self.times_budget <= 1

    def merge(self, other: Comparison) -> None:
        """Take in another evaluation of the same tensor."""
        if other.times_budget > self.times_budget:
            self.times_budget, self.worst = other.times_budget, other.worst
        self.max_ulp = max(self.max_ulp, other.max_ulp)
        self.elements += other.elements
        self.nonfinite += other.nonfinite
        self.zero_signs += other.zero_signs
        self.forgiven += other.forgiven
        self.worst_nonfinite = self.worst_nonfinite or other.worst_nonfinite
        self.p999_ulp = max(self.p999_ulp, other.p999_ulp)
        self.max_abs = max(self.max_abs, other.max_abs)
        self.max_rel = max(self.max_rel, other.max_rel)
        tails = [tail for tail in (self.tail_ulp, other.tail_ulp) if tail is not None]
        self.tail_ulp = max(tails, default=None)
        product, ours, theirs = (mine + yours for mine, yours in zip(self.dots, other.dots, strict=True))
        self.dots = (product, ours, theirs)


Stored = list[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]]
Parts = dict[str, Comparison]
"""Kind of input → what its elements came to."""


@dataclass
class Agreement:
    """One implementation in one situation.

    values, gradients: for each output and each input, by kind. kink_slopes: the slope found at each kink.
    overwritten: which of the caller's tensors it wrote into. mended: gradients that autograd had to make fit, in words.
    needless: how many gradients it computed that nobody had asked for.
    """

    values: list[Parts]
    gradients: list[Parts]
    kink_slopes: dict[str, float] = field(default_factory=dict)
    overwritten: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    needless: int = 0


def judge(case: Case, entry: FunctionEntry, call: Call, situation: Situation, budgets: Budgets) -> Agreement:
    """Return how the call's values and gradients compare with the situation's truths, all of them taken together."""
    truths = [truth for truth, _ in situation.trials]
    agreement = Agreement([{} for _ in budgets.values], [{} for _ in budgets.gradients])
    stored = _once(budgets.stored)
    for truth, trial in zip(truths, _trials(case, call, situation), strict=True):
        agreement.overwritten += [each for each in trial.overwritten if each not in agreement.overwritten]
        agreement.mended += [each for each in trial.returned.mended if each not in agreement.mended]
        agreement.needless += trial.returned.needless
        if situation.has_values:
            for index, (parts, value) in enumerate(zip(agreement.values, trial.values, strict=True)):
                excused = budgets.of_value(truth, index)
                found = compare_values(value, truth, index)
                if found.is_doubtful(excused):
                    found = found.forgiving([each[0][index] for each in stored(truth)], excused, value.dtype)
                _merge(parts, found.by_kind(situation.kind, entry, excused))
        for index, (parts, gradient) in enumerate(zip(agreement.gradients, trial.gradients, strict=True)):
            if gradient is not None:
                excused = budgets.of_gradient(truth, index)
                found = compare_gradients(gradient, truth, index)
                if found.is_doubtful(excused):
                    found = found.forgiving([each[1][index] for each in stored(truth)], excused, gradient.dtype)
                _merge(parts, found.by_kind(situation.kind, entry, excused))
        for name, slope in _kink_slopes(entry, truth, trial.gradients).items():
            agreement.kink_slopes.setdefault(name, slope)
    return agreement


def _once(build: Callable[[Truth], Stored]) -> Callable[[Truth], Stored]:
    kept: dict[int, Stored] = {}

    def built(truth: Truth) -> Stored:
        if id(truth) not in kept:
            kept[id(truth)] = build(truth)
        return kept[id(truth)]

    return built


def _trials(case: Case, call: Call, situation: Situation) -> list[Trial]:
    if situation.is_interleaved:
        under_way = [Trial(case, call, truth, way) for truth, way in situation.trials]
        return [trial.finish() for trial in under_way]
    return [Trial(case, call, truth, way).finish() for truth, way in situation.trials]


def _merge(parts: Parts, found: Parts) -> None:
    for kind, comparison in found.items():
        if kind in parts:
            parts[kind].merge(comparison)
        else:
            parts[kind] = comparison


@dataclass(frozen=True)
class Elementwise:
    """An output or a gradient beside what is right, element by element, in float64 on the CPU.

    error: beyond the nearest right value, NaN or infinite where either is. ulps: 0 where one of the two is not finite.
    differs: finiteness is not the oracle's. compared: judged at all. tail_ulps: in ulps at what is right itself, NaN
    outside the tail. forgiven: right only by what the reference's own steps come to in the working dtype.
    """

    truth: Truth
    got: Tensor
    right: Tensor
    error: Tensor
    ulps: Tensor
    differs: Tensor
    both: Tensor
    compared: Tensor
    tail_ulps: Tensor | None = None
    is_gradient: bool = False
    forgiven: Tensor | None = None

    def is_doubtful(self, excused: Tensor) -> bool:
        """Whether an element differs from the oracle by more than roundings excuse."""
        return bool((self.differs | (~(self.ulps <= excused) & self.compared)).any())

    def forgiving(self, alternatives: Sequence[Tensor], excused: Tensor, dtype: torch.dtype) -> Elementwise:
        """Return the same, with elements taken for right that a formulation's steps, stored in the dtype, come to."""
        wrong = self.differs | (~(self.ulps <= excused) & self.compared)
        forgiven = torch.zeros_like(wrong)
        for other in alternatives:
            near = count_ulps(self.got - other, other, dtype) <= excused
            forgiven |= wrong & ((self.got == other) | (self.got.isnan() & other.isnan()) | near)
        return replace(
            self,
            forgiven=forgiven,
            differs=self.differs & ~forgiven,
            both=self.both & ~forgiven,
            ulps=torch.where(forgiven, 0.0, self.ulps),
        )

    def by_kind(self, kind: str, entry: FunctionEntry, excused: Tensor) -> Parts:
        """Return what the elements came to under one kind; where that is empty, under the kind of each element.

        excused: the ulps that roundings may cost, of each element or of all.
        """
        times = self.ulps / excused
        if kind:
            return {kind: self._summarize(self.compared, entry, times)}
        kinds = self.truth.kinds
        if kinds is None:
            return {KINDS[0]: self._summarize(self.compared, entry, times)}
        if not self.truth.is_elementwise or kinds.shape != self.got.shape:
            return {"edges": self._summarize(self.compared, entry, times)}
        marked = {KINDS[code]: self.compared & (kinds == code) for code in range(len(KINDS)) if (kinds == code).any()}
        return {each: self._summarize(mask, entry, times) for each, mask in marked.items()}

    def _summarize(self, mask: Tensor, entry: FunctionEntry, times: Tensor) -> Comparison:
        places = mask.reshape(-1).nonzero().squeeze(1)
        count = len(places)
        if not count:
            return Comparison()

        def taken(tensor: Tensor) -> Tensor:
            return tensor.reshape(-1).index_select(0, places)

        ulps, both, differs = taken(self.ulps), taken(self.both), taken(self.differs)
        got, right, error = taken(self.got), taken(self.right), taken(self.error)
        # A NaN among the ulps must lose.
        ulps, times = (each.nan_to_num(nan=math.inf, posinf=math.inf) for each in (ulps, taken(times)))
        largest, lost = float(times.max()), int(differs.sum())
        found = Comparison(
            elements=count,
            times_budget=largest,
            max_ulp=float(ulps.max()),
            p999_ulp=float(ulps.kthvalue(max(1, math.ceil(0.999 * count))).values),
            nonfinite=lost,
            forgiven=int(taken(self.forgiven).sum()) if self.forgiven is not None else 0,
            worst=self._explain(mask, ulps, times, entry) if largest > 1 else "",
            worst_nonfinite=self._describe(mask, int(differs.int().argmax()), differs, entry) if lost else "",
        )
        if not self.is_gradient:
            zeros = (got == 0) & (right == 0)
            found.zero_signs = int((zeros & (got.signbit() != right.signbit())).sum())
        if both.any():
            if not both.all():
                got, right, error = got[both], right[both], error[both]
            error = error.abs()
            found.max_abs = float(error.max())
            found.max_rel = float(torch.where(error == 0, 0.0, error / right.abs()).max())
            scale = max(1.0, float(got.abs().max()), float(right.abs().max()))  # squares would overflow
            found.dots = tuple(float((a / scale) @ (b / scale)) for a, b in ((got, right), (got, got), (right, right)))  # type: ignore[assignment]
        if self.tail_ulps is not None:
            tail = taken(self.tail_ulps)
            tail = tail[~tail.isnan()]
            found.tail_ulp = float(tail.max()) if len(tail) else None
        return found

    def _explain(self, mask: Tensor, ulps: Tensor, times: Tensor, entry: FunctionEntry) -> str:
        place = int(times.argmax())
        excused = float(ulps[place] / times[place])
        said = self._describe(mask, place, ~(times <= 1), entry)
        return f"{float(ulps[place]):.4g} ulp where {excused:.3g} are excused; {said}"

    def _describe(self, mask: Tensor, place: int, bad: Tensor, entry: FunctionEntry) -> str:
        got, right = self.got[mask], self.right[mask]
        wrong, true = float(got[place]), float(right[place])
        if not all(tensor.shape == self.got.shape for tensor in self.truth.inputs):
            return f"at flat index {int(mask.reshape(-1).nonzero()[place])}: {wrong:.6g} where {true:.6g} is right"
        inputs = [tensor.double()[mask] for tensor in self.truth.inputs]
        # Nine digits tell a float32 from its neighbours.
        given = ", ".join(f"{float(tensor[place]):.9g}" for tensor in inputs)
        nature = diagnose(inputs[0], got, right, bad, joints(entry.function)) if len(inputs) == 1 else ""
        return f"{nature}{'; ' if nature else ''}at ({given}): {wrong:.6g} where {true:.6g} is right"


def compare_values(value: Tensor, truth: Truth, index: int) -> Elementwise:
    """Return an output beside the oracle's; errors in ulps at the true value."""
    got, right = value.detach().cpu().double(), truth.values[index]
    everywhere = torch.ones_like(right, dtype=torch.bool)
    differs, both = _finiteness(got, right, right, everywhere, value.dtype)
    ulps = torch.where(both, count_ulps(got - right, right, value.dtype), 0.0)
    return Elementwise(truth, got, right, got - right, ulps, differs, both, everywhere)


def compare_gradients(gradient: Tensor, truth: Truth, index: int) -> Elementwise:
    """Return an input's gradient beside the oracle's; errors in ulps at the gradient's scale, tails at its own size."""
    got, dtype = gradient.detach().cpu().double(), gradient.dtype
    right, low, high = truth.gradients[index], truth.lowest[index], truth.highest[index]
    compared = truth.compared[index]
    differs, both = _finiteness(got, low, high, compared, dtype)
    error = torch.maximum(low - got, got - high).clamp(min=0)
    slopes = truth.slopes_scale[index]
    scale = torch.where(slopes.isfinite(), torch.maximum(right.abs(), slopes), right.abs())
    ulps = torch.where(both, count_ulps(error, scale, dtype), 0.0)
    tail = both & (right != 0) & (right.abs() < TAIL * scale)
    tails = torch.where(tail, count_ulps(error, right, dtype), math.nan)
    return Elementwise(truth, got, right, error, ulps, differs, both, compared, tails, is_gradient=True)


def _finiteness(got: Tensor, low: Tensor, high: Tensor, compared: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return where finiteness differs from the oracle's as the dtype would hold it, and where both are finite."""
    stored_low = low.to(dtype).double()
    stored_high = stored_low if high is low else high.to(dtype).double()
    both = got.isfinite() & stored_low.isfinite() & stored_high.isfinite()
    alike = both | (got == stored_low) | (got == stored_high) | (got.isnan() & stored_low.isnan())
    # On the brink of overflow a rounding decides between the largest finite value and infinity.
    # What is infinite itself, or overflows by far, is no such case: there a finite number hides it.
    largest, slack = torch.finfo(dtype).max, 8 * torch.finfo(dtype).eps
    is_near = high.isfinite() & ((high.abs() / largest - 1).abs() <= slack)
    alike |= is_near & (got.abs() >= largest * (1 - slack)) & (got.sign() == high.sign())
    return ~alike & compared, both & compared


def _kink_slopes(entry: FunctionEntry, truth: Truth, gradients: Sequence[Tensor | None]) -> dict[str, float]:
    slopes: dict[str, float] = {}
    gradient = gradients[0]
    if gradient is None or gradient.shape != truth.inputs[0].shape:
        return slopes
    for kink in entry.function.kinks:
        if kink.point is None:
            continue
        at = (truth.inputs[0].reshape(-1).double() == kink.point).nonzero().reshape(-1)
        at = at[truth.grad_outputs[0].reshape(-1)[at] != 0]
        if len(at):
            slope = gradient.detach().cpu().double().reshape(-1)[at[0]]
            slopes[kink.name] = float(slope / truth.grad_outputs[0].double().reshape(-1)[at[0]])
    return slopes
