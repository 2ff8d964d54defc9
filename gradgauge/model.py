"""What a function and an implementation are: the two values that files under `implementations/` define.

Nothing here imports torch at run time, and constructing a value registers nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gradgauge.cases import parse_shapes

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Kink:
    """A place where the derivative jumps: any gradient between the one-sided ones is right there.

    name: how the report calls it, for instance `x = 0`.
    mask: the inputs → a bool tensor, true at the kink, of the inputs' broadcast shape.
    one_sided: the inputs, then one grad_output for each output → for each input the pair of gradients that
        the two one-sided derivatives give; consulted only where `mask` is true.
    point, slopes: for a function of one input, where it is and the derivatives from the left and from the right.
    """

    name: str
    mask: Callable[..., Tensor]
    one_sided: Callable[..., tuple[tuple[Tensor, Tensor], ...]]
    point: float | None = None
    slopes: tuple[float, float] | None = None


def kink_at(point: float, left: float, right: float, name: str = "x") -> Kink:
    """Return the kink of a function of one input and one output at `point`.

    left, right: the derivatives from below and from above.

    >>> kink_at(0.0, left=0.0, right=1.0).name
    'x = 0'
    """

    def mask(x: Tensor) -> Tensor:
        return x == point

    def one_sided(_: Tensor, grad_output: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
        return ((left * grad_output, right * grad_output),)

    return Kink(f"{name} = {point:g}", mask, one_sided, point, (left, right))


@dataclass(frozen=True)
class Function:
    """The written definition of a function: what every implementation of it must compute.

    Elementwise functions, with broadcasting and several outputs, are what the engine's error scales are made for. A
    product of matrices or a softmax is judged as well, but needs budgets of its own: a value that cancels is measured
    against its own size.

    formula, derivative, source: for the reader; plain text.
    inputs: the names of the input tensors, in order.
    breakpoints: where the pieces of a function of one input meet; random inputs then put an equal share on each piece.
    edges: values that every input must be tried at, besides those that the engine always tries
        (±0, subnormal, largest finite, ±inf, NaN, each breakpoint and kink ± 1 ULP).
    kinks: where the gradient is a convention.
    gradient_scale: the largest slope, or a function (inputs, grad_outputs) → for each input a float64 tensor of its
        shape: the magnitude that gradient errors are measured against, besides the true gradient's own.
    formulations: other ways to write the formula, each inputs → outputs, differentiable; what their correctly rounded
        steps may cost is excused, as it is for the reference's.
    value_budget_ulp, gradient_budget_ulp: the largest error that is excused; None derives it from the steps of the
        reference and of the formulations, on data. For a gradient that is summed over broadcast elements, the engine
        adds what the summation may cost.
    exact: the inputs as mpmath numbers → the value, and the tuple of partial derivatives; the float64 reference is then
        checked against 50 digits. For elementwise functions of one output.
    either_zero: IEEE arithmetic leaves the sign of a zero value open, as it does for max(−0, 0).
    backward_reads: names of the inputs that the derivative depends on, which a backward cannot do without; None stands
        for all of them.
    shapes: preset → shapes, smallest first; a preset that is not named takes the grid's own.
    curve: the range over which f and f′ (of the first output) are drawn; None for what is not elementwise.
    sample: (generator, shapes) → float32 CPU tensors; replaces the engine's own random inputs.
    """

    formula: str
    derivative: str
    source: str
    summary: str = ""
    inputs: tuple[str, ...] = ("x",)
    breakpoints: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()
    kinks: tuple[Kink, ...] = ()
    gradient_scale: float | Callable[..., tuple[Tensor, ...]] = 1.0
    formulations: tuple[Callable[..., Tensor | tuple[Tensor, ...]], ...] = ()
    value_budget_ulp: float | None = None
    gradient_budget_ulp: float | None = None
    exact: Callable[..., tuple[Any, tuple[Any, ...]]] | None = None
    either_zero: bool = False
    backward_reads: tuple[str, ...] | None = None
    shapes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    curve: tuple[float, float] | None = None
    sample: Callable[[torch.Generator, tuple[tuple[int, ...], ...]], tuple[Tensor, ...]] | None = None

    @property
    def broadcasts(self) -> bool:
        """Whether a shape of the function's own has inputs of different shapes: then broadcasting is part of it."""
        shapes = [parse_shapes(text, len(self.inputs)) for texts in self.shapes.values() for text in texts]
        return any(len(set(each)) > 1 for each in shapes)

    @property
    def backward_read_indices(self) -> tuple[int, ...]:
        """Return which of the inputs the derivative depends on."""
        reads = self.inputs if self.backward_reads is None else self.backward_reads
        return tuple(index for index, name in enumerate(self.inputs) if name in reads)

    def __post_init__(self) -> None:
        # Somebody's file may define anything, whatever the hints say.
        for name in ("formula", "derivative", "source", "summary"):
            _check_text(name, getattr(self, name))
        _check_names("inputs", self.inputs)
        if not self.inputs:
            raise ValueError("a function takes at least one input")
        _check_names("backward_reads", self.backward_reads or ())
        for name in self.backward_reads or ():
            if name not in self.inputs:
                raise ValueError(f"backward_reads names {name!r}; the inputs are {', '.join(self.inputs)}")
        _check_all("edges", self.edges, (int, float))
        _check_all("kinks", self.kinks, Kink)
        _check_calls("formulations", self.formulations)
        _check_calls("exact", () if self.exact is None else (self.exact,))
        _check_numbers("breakpoints", self.breakpoints)
        if self.breakpoints and (len(self.inputs) > 1 or list(self.breakpoints) != sorted(set(self.breakpoints))):
            raise ValueError(f"breakpoints {self.breakpoints} must ascend, and serve functions of one input only")
        self._check_scales()
        for texts in self.shapes.values():
            for text in texts:
                parse_shapes(text, len(self.inputs))

    def _check_scales(self) -> None:
        if not callable(self.gradient_scale):
            _check_numbers("gradient_scale", (self.gradient_scale,))
        if self.curve is not None:
            _check_numbers("curve", self.curve)
            if not self.curve[0] < self.curve[1]:
                raise ValueError(f"curve {self.curve} is an empty range")
        for name in ("value_budget_ulp", "gradient_budget_ulp"):
            budget = getattr(self, name)
            if budget is not None and not (isinstance(budget, (int, float)) and math.isfinite(budget) and budget > 0):
                raise ValueError(f"{name} = {budget} must be positive and finite")


@dataclass(frozen=True)
class Implementation:
    """One way to compute a function and its gradient.

    call: the input tensors → a tensor, or a tuple of tensors.
    convention: kink name → the slope that this implementation takes there; measured, and a mismatch fails.
    expected_fail: metric → why it disagrees with the oracle, or behaviour → why it fails there: an output that is meant
        to share memory with its input declares `no_alias`. Strict: that it does not fail is then the failure.
    requires: what it cannot run without: `compiler`, `accelerator`, `cuda`, or the name of a module such as `triton`.
    """

    call: Callable[..., Tensor | tuple[Tensor, ...]]
    convention: Mapping[str, float] = field(default_factory=dict)
    expected_fail: Mapping[str, str] = field(default_factory=dict)
    requires: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not callable(self.call):
            raise TypeError(f"call = {self.call!r} is not callable")
        for name, slope in self.convention.items():
            _check_text("convention", name)
            _check_numbers(f"convention[{name!r}]", (slope,))
        for metric, reason in self.expected_fail.items():
            _check_text(f"expected_fail[{metric!r}]", reason)
            if not reason.strip():
                raise ValueError(f"expected_fail[{metric!r}] has no reason")
        _check_names("requires", self.requires)


def _check_names(name: str, values: object) -> None:
    if not isinstance(values, (tuple, list)) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{name} = {values!r} must be a tuple of names")


def _check_all(name: str, values: Iterable[object], kind: type | tuple[type, ...]) -> None:
    for value in values:
        if not isinstance(value, kind):
            raise TypeError(f"{name} holds {value!r}, which is {type(value).__name__}")


def _check_calls(name: str, values: Iterable[object]) -> None:
    for value in values:
        if not callable(value):
            raise TypeError(f"{name} holds {value!r}, which cannot be called")


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} = {value!r} must be text")


def _check_numbers(name: str, values: Iterable[object]) -> None:
    for value in values:
        if not (isinstance(value, (int, float)) and math.isfinite(value)):
            raise ValueError(f"{name} = {value!r} must be a finite number")
