"""What a user hands over, in the engine's words: a case, a function with its reference, a subject."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from gradgauge.attempts import Failure, attempt
from gradgauge.behavior.subject import SAMPLES, Subject
from gradgauge.calling import Call, gradients_of, outputs_of
from gradgauge.cases import REFERENCE, Case, Shape, format_shapes
from gradgauge.catalog import FunctionEntry, ImplementationEntry
from gradgauge.inputs import random_inputs
from gradgauge.model import Function, Implementation, Kink, kink_at
from gradgauge.numerical import away_from

NAME = "checked"
ROOMY = "48x64"
"""A shape with room for every edge; taken where the function takes it, since an example is often small."""
JUMP = 1e-6
"""Slopes on the two sides of an edge that differ by so much, relatively, make it a kink."""


@dataclass(frozen=True)
class Target:
    """A function under check.

    given: the examples, detached. case, entry: as the engine has them; without a reference the call is its own.
    """

    call: Call
    given: tuple[Tensor, ...]
    case: Case
    entry: FunctionEntry
    has_reference: bool

    @property
    def name(self) -> str:
        """Return what the function is called."""
        return name_of(self.call)

    @property
    def names(self) -> tuple[str, ...]:
        """Return what its inputs are called."""
        return self.entry.function.inputs

    @property
    def reference(self) -> Call:
        """Return what is right."""
        return self.entry.reference.implementation.call

    def smooth(self, tensors: Sequence[Tensor] | None = None) -> tuple[Tensor, ...]:
        """Return the examples, or other tensors, moved off edges and kinks."""
        function = self.entry.function
        points = {*function.edges, *(kink.point for kink in function.kinks if kink.point is not None)}
        return away_from(sorted(points), self.given if tensors is None else tuple(tensors))

    def subject(self, given: Sequence[Tensor] | None = None) -> Subject:
        """Return what behaviours are tried on: the examples, or others, and the same numbers in other orders."""
        samples = tuple(
            tuple(tensor.reshape(-1).roll(turn).reshape(tensor.shape).clone() for tensor in self.smooth(given))
            for turn in range(SAMPLES)
        )
        return Subject(self.call, samples, "eager", self.reference if self.has_reference else None, lambda: self.call)


def name_of(call: Call) -> str:
    """Return a readable name of a callable; `fn` where it has none that one could write."""
    name = str(getattr(call, "__name__", ""))
    return name if name.isidentifier() else "fn"


def make_target(call: Call, reference: Call | None, given: Sequence[Tensor], edges: Sequence[float]) -> Target:
    """Return the target of a call on examples: floating tensors on one device, one at least."""
    given = tuple(tensor.detach() for tensor in given)
    right = reference or call
    shapes = format_shapes(tuple(tuple(each.shape) for each in given))
    is_single = len(given) == 1
    function = Function(
        formula=name_of(right),
        derivative="as autograd differentiates the reference",
        source="the caller",
        inputs=input_names(call, len(given)),
        edges=tuple(edges),
        breakpoints=tuple(sorted({float(edge) for edge in edges if math.isfinite(edge)})) if is_single else (),
        kinks=find_kinks(right, edges) if is_single else (),
        gradient_scale=_largest_slope(right, given),
        either_zero=True,
        shapes={"standard": (shapes,)},
        sample=None if is_single else _resampling(given),
    )
    nowhere = Path(NAME)
    techniques = {
        name: ImplementationEntry(name, nowhere, "", Implementation(call=each))
        for name, each in ((REFERENCE, right), (NAME, call))
    }
    entry = FunctionEntry(NAME, nowhere, function, techniques)
    dtype = str(given[0].dtype).removeprefix("torch.")
    case = Case(NAME, NAME, "eager", "forward_backward", str(given[0].device), dtype, shapes)
    roomy = replace(case, shape=ROOMY)
    takes_it = len({tensor.shape for tensor in given}) == 1 and given[0].dim() > 0
    if takes_it and not isinstance(attempt("another shape", lambda: _try(roomy, entry, (call, right))), Failure):
        case = roomy
    return Target(call, given, case, entry, reference is not None)


def _try(case: Case, entry: FunctionEntry, calls: Sequence[Call]) -> None:
    inputs = random_inputs(case, entry, 0)
    for call in calls:
        outputs_of(call(*(tensor.to(case.device) for tensor in inputs)))


def input_names(call: Call, count: int) -> tuple[str, ...]:
    """Return the names of the call's parameters, or x0, x1, … where it does not tell."""
    try:
        parameters = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    named = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if len(named) >= count:
        return tuple(named[:count])
    return ("x",) if count == 1 else tuple(f"x{index}" for index in range(count))


def _resampling(given: tuple[Tensor, ...]) -> Callable[[torch.Generator, tuple[Shape, ...]], tuple[Tensor, ...]]:
    """Return what draws inputs of any shapes from the numbers that the examples hold."""
    pools = [tensor.cpu().float().reshape(-1) for tensor in given]

    def sample(generator: torch.Generator, shapes: tuple[Shape, ...]) -> tuple[Tensor, ...]:
        return tuple(
            pool[torch.randint(max(1, len(pool)), shape, generator=generator)] if len(pool) else torch.zeros(shape)
            for pool, shape in zip(pools, shapes, strict=True)
        )

    return sample


def _slopes(call: Call, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    leaves = tuple(tensor.cpu().double().requires_grad_() for tensor in inputs)
    values = outputs_of(call(*leaves))
    return gradients_of(values, leaves, [torch.ones_like(value) for value in values], may_be_disconnected=True)


def _largest_slope(call: Call, given: tuple[Tensor, ...]) -> float:
    """Return the largest slope at the examples, in float64; 1 where nothing tells."""
    slopes = attempt("the reference", lambda: _slopes(call, given))
    if isinstance(slopes, Failure):
        return 1.0
    sizes = [float(slope[slope.isfinite()].abs().max()) for slope in slopes if slope.isfinite().any()]
    return max(sizes, default=0.0) or 1.0


def find_kinks(call: Call, edges: Sequence[float]) -> tuple[Kink, ...]:
    """Return those of the edges, and of 0, at which the slopes from the two sides differ; for one input."""
    found = []
    for point in sorted({*(float(edge) for edge in edges if math.isfinite(edge)), 0.0}):
        sides = torch.tensor([math.nextafter(point, -math.inf), math.nextafter(point, math.inf)], dtype=torch.float64)
        slopes = attempt("the reference", lambda sides=sides: _slopes(call, (sides,)))  # type: ignore[misc]
        if isinstance(slopes, Failure) or slopes[0].shape != sides.shape or not slopes[0].isfinite().all():
            continue
        left, right = slopes[0].tolist()
        if abs(left - right) > JUMP * max(abs(left), abs(right)):
            found.append(kink_at(point, left, right))
    return tuple(found)
