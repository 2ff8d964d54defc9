"""The tensors that implementations are given: random and edge inputs, cotangents, layouts; all from a seed."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradgauge.atlas import KINDS, Place, places
from gradgauge.cases import Case, Shape, parse_shapes
from gradgauge.catalog import FunctionEntry
from gradgauge.model import Function

FARTHEST = 1e4
FAR = {1: 32, 2: 6}
"""Number of inputs, two standing for more → how many sizes up to FARTHEST each is tried at, with both signs."""
MOST_EDGES = 4096
"""Of the product of the edges over all inputs, no more than this many combinations are tried."""


class RefusedDtype(Exception):
    """A dtype that gradients do not exist for; the message names it and the function."""


def torch_dtype(name: str, function: str) -> torch.dtype:
    """Return the floating dtype of that name; raise RefusedDtype for an integer one, naming dtype and function."""
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise RefusedDtype(f"{function}: {name!r} is not a dtype")
    if not dtype.is_floating_point:
        raise RefusedDtype(f"{function}: dtype {name} has no gradient; only floating dtypes do")
    return dtype


def generator_for(case: Case, seed: int, purpose: str) -> torch.Generator:
    """Return a CPU generator that depends on seed, function, shape and purpose alone.

    Not on implementation, mode, pass, device or dtype: every case of a block, and the same case on two devices,
    sees the same numbers, in whatever order cases run.
    """
    text = f"{seed}/{case.function}/{case.shape}/{purpose}"
    digest = hashlib.sha256(text.encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def random_inputs(case: Case, entry: FunctionEntry, seed: int) -> tuple[Tensor, ...]:
    """Return one CPU tensor for each input, of the case's dtype and shapes, contiguous, without gradient.

    A function with breakpoints gets an equal share of the elements on each of its pieces.
    """
    generator = generator_for(case, seed, "inputs")
    shapes = parse_shapes(case.shape, len(entry.function.inputs))
    dtype = torch_dtype(case.dtype, case.function)
    sample = entry.function.sample
    drawn = sample(generator, shapes) if sample else _draw(entry.function, shapes, generator)
    return tuple(tensor.to(dtype).contiguous() for tensor in drawn)


def _draw(function: Function, shapes: tuple[Shape, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
    if not function.breakpoints:
        return tuple(torch.randn(shape, generator=generator) for shape in shapes)
    return tuple(_draw_pieces(function.breakpoints, shape, generator) for shape in shapes)


def _draw_pieces(breakpoints: Sequence[float], shape: Shape, generator: torch.Generator) -> Tensor:
    low, high = breakpoints[0], breakpoints[-1]
    tail = torch.randn(shape, generator=generator).abs() * max(1.0, (high - low) / 2)
    uniform = torch.rand(shape, generator=generator)
    piece = torch.randint(len(breakpoints) + 1, shape, generator=generator)
    drawn = torch.where(piece == 0, low - tail, high + tail)
    for index, (start, end) in enumerate(itertools.pairwise(breakpoints), 1):
        drawn = torch.where(piece == index, start + (end - start) * uniform, drawn)
    return drawn


def place_values(found: Sequence[Place], dtype: torch.dtype) -> Tensor:
    """Return what each place comes to in the given floating dtype, one element each."""
    info = torch.finfo(dtype)
    sizes = {"": 1.0, "largest": info.max, "smallest": info.smallest_normal * info.eps}
    values = torch.tensor([place.value * sizes[place.unit] for place in found], dtype=torch.float64).to(dtype)
    steps = torch.tensor([place.steps for place in found])
    for step in range(1, int(steps.abs().max()) + 1 if len(found) else 0):
        toward = torch.where(steps > 0, float("inf"), float("-inf")).to(dtype)
        values = torch.where(steps.abs() >= step, torch.nextafter(values, toward), values)
    return values


@dataclass(frozen=True)
class Edges:
    """Every distinct value that an input is tried at, and the index in `KINDS` of what it is; both of one length."""

    values: Tensor
    kinds: Tensor


def edges_of(function: Function, dtype: torch.dtype) -> Edges:
    """Return the function's places as values, distinct up to the sign of zero; what is a kink is that first.

    Between them lie values of every size, which random inputs seldom reach: `far`.
    """
    found = sorted(places(function), key=lambda place: KINDS.index(place.kind))
    sizes = torch.logspace(-3, math.log10(FARTHEST), FAR[min(len(function.inputs), 2)], dtype=torch.float64)[:-1]
    far = torch.cat([sizes, -sizes]).to(dtype)
    values = torch.cat([place_values(found, dtype), far])
    # Compared as bits: -0.0 and 0.0 are two edges, NaN is one.
    first: dict[int, int] = {}
    for index, bits in enumerate(values.to(torch.float64).view(torch.int64).tolist()):
        first.setdefault(bits, index)
    kept = torch.tensor(sorted(first.values()))
    codes = [KINDS.index(place.kind) for place in found] + [KINDS.index("far")] * len(far)
    kinds = torch.tensor(codes, dtype=torch.int8)
    kinds[~values.isfinite()] = KINDS.index("nonfinite")  # an edge that a narrow dtype cannot hold is infinite
    return Edges(values[kept], kinds[kept])


def edge_inputs(
    case: Case, entry: FunctionEntry, background: Sequence[Tensor]
) -> list[tuple[tuple[Tensor, ...], Tensor]]:
    """Return input tuples that together hold every combination of edges, each with the kinds of its elements.

    kinds: int8, of the first input's shape, indices in `KINDS`; the elements that are no edges are those of
    `background`. One tuple suffices where the tensors are large enough.
    """
    edges = edges_of(entry.function, torch_dtype(case.dtype, case.function))
    inputs = len(background)
    if inputs == 1:
        combinations, kinds = edges.values.reshape(-1, 1), edges.kinds
    else:
        combinations = torch.cartesian_prod(*[edges.values] * inputs)
        kinds = torch.cartesian_prod(*[edges.kinds] * inputs).amax(dim=1)
        if len(combinations) > MOST_EDGES:
            # Drawn, not every nth: a stride would leave out some edges of some input altogether.
            drawn = torch.randperm(len(combinations), generator=generator_for(case, 0, "edges"))[:MOST_EDGES]
            combinations, kinds = combinations[drawn], kinds[drawn]
    if any(tensor.numel() == 0 for tensor in background):
        return []
    # An expanded tensor repeats its first entry: edges anywhere else would be lost.
    expanded = case.layout == "expanded"
    room = min(tensor[:1].numel() if expanded and tensor.dim() else tensor.numel() for tensor in background)
    filled = []
    for chunk, chunk_kinds in zip(combinations.split(room), kinds.split(room), strict=True):  # type: ignore[no-untyped-call]
        tensors = [tensor.clone() for tensor in background]
        for tensor, column in zip(tensors, chunk.unbind(1), strict=True):
            tensor.view(-1)[: len(column)] = column
        marked = torch.zeros(background[0].shape, dtype=torch.int8)
        marked.view(-1)[: len(chunk_kinds)] = chunk_kinds
        laid_out = tuple(lay_out(tensor, case.layout).contiguous() for tensor in tensors)
        filled.append((laid_out, lay_out(marked, case.layout).contiguous()))
    return filled


def lay_out(tensor: Tensor, layout: str) -> Tensor:
    """Return a tensor of the same values in that memory layout; unchanged where the layout does not fit its rank.

    `expanded` repeats the first entry along the first dimension (stride 0), and so changes the values. `sliced` is
    what the backward of `torch.cat` hands on: a part of a wider tensor.
    """
    if layout == "transposed" and tensor.dim() >= 2:
        return tensor.transpose(-1, -2).contiguous().transpose(-1, -2)
    if layout == "strided" and tensor.dim() >= 1:
        wide = tensor.new_zeros((*tensor.shape[:-1], 2 * tensor.shape[-1]))
        wide[..., ::2] = tensor
        return wide[..., ::2]
    if layout == "sliced" and tensor.dim() >= 1:
        wide = torch.cat((torch.zeros_like(tensor), tensor), dim=-1)
        return wide.narrow(-1, tensor.shape[-1], tensor.shape[-1])
    if layout == "expanded" and tensor.dim() >= 1 and tensor.shape[0] > 0:
        return tensor[:1].clone().expand(tensor.shape)
    if layout == "channels-last" and tensor.dim() == 4:
        return tensor.contiguous(memory_format=torch.channels_last)
    return tensor


def as_leaf(tensor: Tensor, case: Case) -> Tensor:
    """Return a copy on the case's device in the case's layout, as a leaf that asks for its gradient."""
    return lay_out(tensor.to(case.device, copy=True), case.layout).detach().requires_grad_()


def cotangents(outputs: Sequence[Tensor], generator: torch.Generator) -> tuple[Tensor, ...]:
    """Return one random CPU tensor for each output, of its shape and dtype: the `grad_output`s."""
    return tuple(torch.randn(output.shape, generator=generator).to(output.dtype) for output in outputs)
