"""What every implementation is put through: the main inputs, hostile cotangents, hostile inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from gradgauge.attempts import Failure, attempt
from gradgauge.cases import Case, Shape, format_shapes
from gradgauge.catalog import FunctionEntry
from gradgauge.inputs import cotangents, edge_inputs, generator_for, lay_out, random_inputs
from gradgauge.oracle import Cotangents, Truth, tell_truth
from gradgauge.trials import Way

MAIN = ""
"""The situation whose elements have kinds of their own: random ones and every edge."""

BROADCASTING = ("broadcast", "long sum")
"""Situations whose inputs have different shapes. A function whose own shapes are alike need not take them."""
HOSTILE_SHAPE = "4x3x6x5"
LONG = 4096
"""So many positive terms, added up one by one, leave nothing right in bfloat16 or float16."""

COTANGENT_LAYOUTS = ("transposed", "strided", "sliced", "channels-last", "repeated")
INPUT_LAYOUTS = ("transposed", "strided", "sliced", "channels-last", "expanded")
SCALARS = 8
RANKS = ("7", "1x5", "5x1", "3x5x7", "2x1x3x1x2")
LARGE, SMALL = {"float16": 2.0**10}, {"float16": 2.0**-10}
LARGEST, SMALLEST = 2.0**16, 2.0**-24
"""Factors of cotangents as loss scaling and long chains make them; float16 holds the milder ones."""


@dataclass(frozen=True)
class Situation:
    """Truths with the ways to try them, judged together. kind: how records call it.

    has_values: whether values are judged, too; not where only the cotangent differs.
    is_interleaved: all forwards run before the first backward.
    """

    kind: str
    trials: tuple[tuple[Truth, Way], ...]
    has_values: bool = True
    is_interleaved: bool = False


Build = Callable[[], Situation]


def main_situation(case: Case, entry: FunctionEntry, seed: int) -> Situation:
    """Return the inputs that the case's block is judged on: random elements and every edge.

    Edges share a tensor with random elements where that is sound, so that compiled code meets one shape; where an
    edge's NaN would spread (a reduction, a product of matrices), random elements get a tensor of their own.
    """
    random = tuple(lay_out(tensor, case.layout).contiguous() for tensor in random_inputs(case, entry, seed))
    drawn = _drawn(generator_for(case, seed, "cotangents"))
    edges = edge_inputs(case, entry, random)
    if len(edges) == 1:
        together = tell_truth(entry, edges[0][0], drawn, edges[0][1])
        if not together.is_contaminated:
            return Situation(MAIN, ((together, Way()),))
    truths = [tell_truth(entry, random, drawn)] + [tell_truth(entry, inputs, drawn, kinds) for inputs, kinds in edges]
    return Situation(MAIN, tuple((truth, Way()) for truth in truths))


def hostile_situations(case: Case, entry: FunctionEntry, seed: int) -> Iterator[tuple[str, Build]]:
    """Yield every other situation by name, to be built when its turn comes; building may raise what the reference does.

    In compiled mode only those that need no other code than the main inputs do: the same inputs, with other cotangents.
    """
    maker = _Maker(case, entry, seed)
    yield from maker.cotangents()
    yield "interleaved", maker.interleaved
    if case.mode == "eager":
        yield from maker.inputs()


class _Maker:
    def __init__(self, case: Case, entry: FunctionEntry, seed: int) -> None:
        self._case = replace(case, layout="contiguous")
        self._entry, self._seed = entry, seed
        self._count = len(entry.function.inputs)

    def cotangents(self) -> Iterator[tuple[str, Build]]:
        compiled = self._case.mode == "compiled"
        for layout in COTANGENT_LAYOUTS:
            if not (compiled and layout == "channels-last"):
                yield f"{layout} cotangent", lambda layout=layout: self._laid_out(f"{layout} cotangent", layout)  # type: ignore[misc]
        yield "zero cotangent", self._zero
        dtype = self._case.dtype
        yield "large cotangent", lambda: self._scaled("large cotangent", LARGE.get(dtype, LARGEST))
        yield "small cotangent", lambda: self._scaled("small cotangent", SMALL.get(dtype, SMALLEST))
        if not compiled:
            yield "undefined cotangent", self._undefined

    def inputs(self) -> Iterator[tuple[str, Build]]:
        for layout in INPUT_LAYOUTS:
            yield f"{layout} input", lambda layout=layout: self._input(layout)  # type: ignore[misc]
        yield "0-d", lambda: self._shaped("0-d", [("scalar",) * self._count] * SCALARS)
        yield "empty", lambda: self._shaped("empty", [("0x3",) * self._count])
        yield "ranks", lambda: self._shaped("ranks", [(shape,) * self._count for shape in RANKS])
        yield "no gradient", self._no_gradient
        if self._count > 1:
            yield "broadcast", lambda: self._shaped("broadcast", broadcasts(self._count))
            yield "long sum", self._long_sum
            yield "partial", self._partial
            yield "mixed input", self._mixed

    def interleaved(self) -> Situation:
        trials = tuple((self._truth(f"interleaved {turn}", turn=turn), Way()) for turn in range(3))
        return Situation("interleaved", trials, is_interleaved=True)

    def _laid_out(self, kind: str, layout: str) -> Situation:
        truth = self._truth(kind, cotangents_of=_ones if layout == "repeated" else None)
        return Situation(kind, ((truth, Way(grad_output_layout=layout)),), has_values=False)

    def _zero(self) -> Situation:
        case = self._shape_of_own()
        main = main_situation(case, self._entry, self._seed)
        truths = [tell_truth(self._entry, truth.inputs, _zeros, truth.kinds) for truth, _ in main.trials]
        return Situation("zero cotangent", tuple((truth, Way()) for truth in truths), has_values=False)

    def _scaled(self, kind: str, factor: float) -> Situation:
        drawn = _drawn(generator_for(self._case, self._seed, kind))
        truth = self._truth(kind, cotangents_of=lambda outputs: tuple(factor * grad for grad in drawn(outputs)))
        return Situation(kind, ((truth, Way()),), has_values=False)

    def _no_gradient(self) -> Situation:
        """Return values alone: code that looks whether a gradient is wanted must not compute something else."""
        truth, asked = self._truth("no gradient"), (False,) * self._count
        ways = (Way(asked=asked), Way(asked=asked, records_graph=False))
        return Situation("no gradient", tuple((truth, way) for way in ways))

    def _mixed(self) -> Situation:
        truth = self._truth("mixed input")
        ways = [
            tuple("transposed" if index == odd else "contiguous" for index in range(self._count))
            for odd in range(self._count)
        ]
        return Situation("mixed input", tuple((truth, Way(input_layout=layouts)) for layouts in ways))

    def _undefined(self) -> Situation:
        whole = self._truth("undefined cotangent")
        trials = []
        for sent in range(len(whole.grad_outputs) if len(whole.grad_outputs) > 1 else 0):
            answered = tuple(index == sent for index in range(len(whole.grad_outputs)))

            # What is not sent counts as zero.
            grads = tuple(grad * is_sent for grad, is_sent in zip(whole.grad_outputs, answered, strict=True))
            trials.append((tell_truth(self._entry, whole.inputs, _these(grads)), Way(answered=answered)))
        return Situation("undefined cotangent", tuple(trials), has_values=False)

    def _input(self, layout: str) -> Situation:
        truth = self._truth(f"{layout} input", layout=layout)
        return Situation(f"{layout} input", ((truth, Way(input_layout=layout)),))

    def _shaped(self, kind: str, shapes: Sequence[tuple[str, ...]]) -> Situation:
        return Situation(
            kind,
            tuple((self._truth(f"{kind} {number}", shape=",".join(each)), Way()) for number, each in enumerate(shapes)),
        )

    def _long_sum(self) -> Situation:
        trials = []
        for short in range(self._count):
            shape = ",".join("scalar" if index == short else str(LONG) for index in range(self._count))
            truth = self._truth("long sum", shape=shape, cotangents_of=_ones, positive=True)
            trials.append((truth, Way(grad_output_layout="repeated")))
        return Situation("long sum", tuple(trials))

    def _partial(self) -> Situation:
        truth = self._truth("partial")
        asks = [tuple(index == asked for index in range(self._count)) for asked in range(self._count)]
        return Situation("partial", tuple((truth, Way(asked=asked)) for asked in asks))

    def _shape_of_own(self) -> Case:
        """Return the case in a shape that every layout fits, or in its own where code is compiled or made for that."""
        return self._case if self._case.mode == "compiled" or self._refuses_hostile_shape else self._hostile

    @property
    def _hostile(self) -> Case:
        return replace(self._case, shape=HOSTILE_SHAPE)

    @cached_property
    def _refuses_hostile_shape(self) -> bool:
        def reference() -> object:
            return self._entry.reference.implementation.call(*random_inputs(self._hostile, self._entry, self._seed))

        return isinstance(attempt("the reference", reference), Failure)

    def _truth(
        self,
        purpose: str,
        shape: str = "",
        layout: str = "contiguous",
        *,
        cotangents_of: Cotangents | None = None,
        positive: bool = False,
        turn: int = 0,
    ) -> Truth:
        case = replace(self._case, shape=shape) if shape else self._shape_of_own()
        # A purpose has numbers of its own: two of one shape must not be alike.
        generator = generator_for(case, self._seed, purpose)
        if self._case.mode == "compiled":
            # The main inputs again, or turned round: as many elements on each piece, so that code compiled for boolean
            # masks, whose sizes depend on that, serves once more.
            main = main_situation(case, self._entry, self._seed).trials[0][0].inputs
            drawn = tuple(tensor.flip(0) if turn % 2 and tensor.dim() else tensor for tensor in main)
        else:
            drawn = random_inputs(case, self._entry, int(torch.randint(2**31, (), generator=generator)))
        inputs = tuple(lay_out(tensor.abs() if positive else tensor, layout).contiguous() for tensor in drawn)
        return tell_truth(self._entry, inputs, cotangents_of or _drawn(generator))


def broadcasts(inputs: int) -> list[tuple[str, ...]]:
    """Return shapes in which each of the inputs in turn is the widest, and some in which none is.

    >>> broadcasts(2)[:2]
    [('4x3x5', '5'), ('4x3x5', '4x1x1')]
    """
    full, narrow = "4x3x5", ("5", "4x1x1", "3x1", "4x1x5", "1x3x1", "scalar")
    found = [
        tuple(full if index == widest else other for index in range(inputs))
        for widest in range(inputs)
        for other in narrow
    ]
    pairs = [
        ((4, 1), (1, 5)),
        ((0, 5), (5,)),
        ((2, 4, 3, 5), (5,)),
        ((2, 4, 3, 5), (4, 1, 1)),
        ((2, 4, 3, 5), (1, 4, 1, 1)),
    ]
    crossing: list[tuple[Shape, ...]] = [each for pair in pairs for each in (pair, pair[::-1])]
    found += [tuple(format_shapes((pair[index % 2],)) for index in range(inputs)) for pair in crossing]
    return found


def _drawn(generator: torch.Generator) -> Cotangents:
    return lambda outputs: cotangents(outputs, generator)


def _these(grad_outputs: tuple[Tensor, ...]) -> Cotangents:
    return lambda _: grad_outputs


def _ones(outputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(torch.ones_like(output) for output in outputs)


def _zeros(outputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(torch.zeros_like(output) for output in outputs)
