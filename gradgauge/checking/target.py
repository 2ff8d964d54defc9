"""What a user hands over, in the engine's words: a case, a function with its reference, a subject."""

from __future__ import annotations

import inspect
import keyword
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from gradgauge.attempts import Failure, attempt
from gradgauge.behavior.subject import SAMPLES, Subject, direction_like
from gradgauge.calling import Call, gradients_of, outputs_of
from gradgauge.cases import REFERENCE, Case, Shape, format_shapes
from gradgauge.catalog import FunctionEntry, ImplementationEntry
from gradgauge.inputs import random_inputs
from gradgauge.model import Function, Implementation, Kink, kink_at
from gradgauge.numerical import away_from, check_first_order
from gradgauge.records import Verdict

NAME = "checked"
ROOMY = "48x64"
"""A shape with room for every edge; taken where the function takes it, since an example is often small."""
SINGLES = 16
"""So many elements are tried alone to see whether they hang on each other."""
REACH = 128.0
"""Numbers of this size are tried at least: an exponential in float32 overflows below it."""
JUMP = 1e-6
"""Slopes on the two sides of an edge that differ by so much, relatively, make it a kink."""


@dataclass(frozen=True)
class Target:
    """A function under check.

    given: the examples, detached. case, entry: as the engine has them; without a reference the call is its own.
    roomy: the case with room for every edge, where that can be. is_elementwise: an element of the result hangs on one
    element of each input. is_surrogate: the reference's gradient is not its value's derivative.
    """

    call: Call
    given: tuple[Tensor, ...]
    case: Case
    roomy: Case
    entry: FunctionEntry
    has_reference: bool
    is_elementwise: bool

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

    @cached_property
    def reach(self) -> float:
        """Return how large inputs may become where the function is not elementwise: about as large as the examples."""
        sizes = [float(each.abs().max()) for each in self.given if each.numel() and each.isfinite().all()]
        return max([REACH, *(2 * size for size in sizes), *(abs(edge) for edge in self.entry.function.edges)])

    @cached_property
    def is_surrogate(self) -> bool:
        """Whether the reference's gradient is not its value's derivative, as a straight-through one's."""
        inputs = tuple(tensor.cpu().double().requires_grad_() for tensor in self.smooth())
        found = attempt("the reference", lambda: check_first_order(self.reference, inputs))
        return self.has_reference and isinstance(found, Failure) and found.verdict == Verdict.FAIL

    @property
    def probing(self) -> FunctionEntry:
        """Return the entry with a reference that refuses the shapes that the call refuses.

        The engine asks the reference alone, on inputs that ask for no gradient, whether it takes a shape.
        """
        call, right = self.call, self.reference

        def probed(*inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
            if not any(tensor.requires_grad for tensor in inputs):
                try_backward(call, [tensor.to(self.case.device) for tensor in inputs])
            return right(*inputs)

        reference = replace(self.entry.reference, implementation=Implementation(call=probed))
        return replace(self.entry, implementations={**self.entry.implementations, REFERENCE: reference})

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
        return Subject(
            self.call,
            samples,
            "eager",
            self.reference if self.has_reference else None,
            lambda: self.call,
            may_set_up=False,
        )


def function_class(call: Call) -> type[torch.autograd.Function] | None:
    """Return the custom Function whose `apply` this is."""
    owner = getattr(call, "__self__", None)
    return owner if isinstance(owner, type) and issubclass(owner, torch.autograd.Function) else None


def cut_to(tensors: Sequence[Tensor], size: int) -> tuple[Tensor, ...]:
    """Return the first elements of each tensor, at most so many along each dimension."""
    return tuple(tensor[(slice(0, size),) * tensor.dim()].contiguous() for tensor in tensors)


def name_of(call: Call) -> str:
    """Return a readable name of a callable; `fn` where it has none that one could write."""
    owner = function_class(call)
    if owner is not None:
        return f"{owner.__name__}.apply"
    name = str(getattr(call, "__name__", ""))
    return name if name.isidentifier() and not keyword.iskeyword(name) else "fn"


def make_target(call: Call, reference: Call | None, given: Sequence[Tensor], edges: Sequence[float]) -> Target:
    """Return the target of a call on examples: floating tensors on one device, one at least."""
    given = tuple(tensor.detach() for tensor in given)
    right = call if reference is None else reference  # a module may have a length, and be false
    shapes = format_shapes(tuple(tuple(each.shape) for each in given))
    is_single, is_elementwise = len(given) == 1, _is_elementwise(right, given)
    slope = _largest_slope(right, given, is_elementwise=is_elementwise)
    function = Function(
        formula=name_of(right),
        derivative="as autograd differentiates the reference",
        source="the caller",
        inputs=input_names(call, len(given)),
        edges=tuple(edges),
        breakpoints=tuple(sorted({edge for edge in edges if math.isfinite(edge)})) if is_single else (),
        kinks=find_kinks(right, edges, given[0].dtype) if is_single and is_elementwise else (),
        gradient_scale=slope if is_elementwise else _scales(slope),
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
    is_alike = len({tensor.shape for tensor in given}) == 1
    if isinstance(attempt("another shape", lambda: _try(roomy, entry, (call, right))), Failure):
        roomy = case
    elif is_alike and given[0].dim() > 0:
        case = roomy
    elif not is_elementwise:
        roomy = case
    return Target(call, given, case, roomy, entry, reference is not None, is_elementwise)


def _try(case: Case, entry: FunctionEntry, calls: Sequence[Call]) -> None:
    inputs = random_inputs(case, entry, 0)
    for call in calls:
        try_backward(call, [tensor.to(case.device) for tensor in inputs])


def try_backward(call: Call, inputs: Sequence[Tensor]) -> None:
    """Run a forward and a backward, which raise what they raise."""
    leaves = tuple(tensor.detach().clone().requires_grad_() for tensor in inputs)
    values = outputs_of(call(*leaves))
    gradients_of(values, leaves, [torch.ones_like(value) for value in values], may_be_disconnected=True)


def input_names(call: Call, count: int) -> tuple[str, ...]:
    """Return the names of the call's parameters, or x0, x1, … where it does not tell; none that snippets use."""
    owner = function_class(call)
    try:
        parameters = list(inspect.signature(owner.forward if owner else call).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    if owner is not None and owner.setup_context is torch.autograd.function._SingleLevelFunction.setup_context:  # noqa: SLF001
        parameters = parameters[1:]  # ctx
    named = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if len(named) >= count:
        taken = {"torch", "inputs", name_of(call).split(".")[0]}
        return tuple(f"{name}_in" if name in taken else name for name in named[:count])
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


def _is_elementwise(call: Call, given: Sequence[Tensor]) -> bool:
    """Whether each element of every output hangs on one element of each input: alone it gives the same."""
    found = attempt("the reference", lambda: _keeps_apart(call, given))
    return found is True


def _keeps_apart(call: Call, given: Sequence[Tensor]) -> bool:
    together = torch.broadcast_tensors(*(tensor.cpu().double() for tensor in given))  # type: ignore[no-untyped-call]
    few = tuple(tensor.reshape(-1)[:SINGLES] if tensor.numel() else torch.ones(1).double() for tensor in together)
    apart = tuple(torch.cat([tensor + 0.25 * turn for turn in range(4)])[:SINGLES] for tensor in few)
    whole = outputs_of(call(*(tensor.cpu().double() for tensor in given)))
    if any(value.shape != together[0].shape for value in whole):
        return False
    pairs = [(apart, outputs_of(call(*apart)))]
    if together[0].numel():
        pairs.append((few, tuple(value.reshape(-1)[:SINGLES] for value in whole)))
    for inputs, outputs in pairs:
        for place in range(len(inputs[0])):
            alone = outputs_of(call(*(tensor[place : place + 1] for tensor in inputs)))
            wanted = [value[place : place + 1] for value in outputs]
            if not all(torch.allclose(one, other, equal_nan=True) for one, other in zip(alone, wanted, strict=True)):
                return False
    return True


def _scales(slope: float) -> Callable[..., tuple[Tensor, ...]]:
    """Return the scale of gradients that hang on every element: the largest slope times the largest cotangent."""

    def scales(inputs: tuple[Tensor, ...], grad_outputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        largest = max((float(grad.abs().max()) for grad in grad_outputs if grad.numel()), default=0.0)
        return tuple(torch.full_like(tensor, slope * largest) for tensor in inputs)

    return scales


def _slopes(call: Call, inputs: Sequence[Tensor], *, is_uneven: bool = False) -> tuple[Tensor, ...]:
    """Return the gradients for cotangents of 1; for uneven ones where equal ones cancel, as a softmax has it."""
    leaves = tuple(tensor.cpu().double().requires_grad_() for tensor in inputs)
    values = outputs_of(call(*leaves))
    grads = [direction_like(value.detach(), 7) if is_uneven else torch.ones_like(value) for value in values]
    return gradients_of(values, leaves, grads, may_be_disconnected=True)


def _largest_slope(call: Call, given: tuple[Tensor, ...], *, is_elementwise: bool) -> float:
    """Return the largest slope at the examples, in float64; 1 where nothing tells."""
    slopes = attempt("the reference", lambda: _slopes(call, given, is_uneven=not is_elementwise))
    if isinstance(slopes, Failure):
        return 1.0
    sizes = [float(slope[slope.isfinite()].abs().max()) for slope in slopes if slope.isfinite().any()]
    return max(sizes, default=0.0) or 1.0


def find_kinks(call: Call, edges: Sequence[float], dtype: torch.dtype) -> tuple[Kink, ...]:
    """Return those of the edges, and of 0, at which the slopes from the two sides differ; for one input.

    Each at the number that the dtype has for it: whether 0.7 in float32 lies below 0.7 is nobody's question.
    """
    found = []
    for point in sorted({*(float(edge) for edge in edges if math.isfinite(edge)), 0.0}):
        sides = torch.tensor([math.nextafter(point, -math.inf), math.nextafter(point, math.inf)], dtype=torch.float64)
        slopes = attempt("the reference", lambda sides=sides: _slopes(call, (sides,)))  # type: ignore[misc]
        if isinstance(slopes, Failure) or slopes[0].shape != sides.shape or not slopes[0].isfinite().all():
            continue
        left, right = slopes[0].tolist()
        if abs(left - right) > JUMP * max(abs(left), abs(right)):
            found.append(kink_at(float(torch.tensor(point, dtype=dtype)), left, right))
    return tuple(found)
