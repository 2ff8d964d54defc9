"""The tensors that implementations are given: random and edge inputs, cotangents, layouts; all from a seed."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from gradgauge.cases import Case, Shape, parse_shapes
from gradgauge.catalog import FunctionEntry
from gradgauge.model import Function

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


def edge_values(function: Function, dtype: torch.dtype) -> Tensor:
    """Return the values that every input is tried at, distinct up to the sign of zero, in the given dtype."""
    info = torch.finfo(dtype)
    subnormal = info.smallest_normal * info.eps
    always = [0.0, -0.0, subnormal, -subnormal, 1.0, -1.0, 1e4, -1e4, info.max, info.min]
    always += [float("inf"), float("-inf"), float("nan")]
    joints = torch.tensor([*function.breakpoints, *(kink.point for kink in function.kinks if kink.point is not None)])
    joints = torch.unique(joints.to(dtype))
    upward, downward = torch.tensor(float("inf"), dtype=dtype), torch.tensor(float("-inf"), dtype=dtype)
    near = (joints, torch.nextafter(joints, upward), torch.nextafter(joints, downward))
    given = torch.tensor([*always, *function.edges], dtype=torch.float64).to(dtype)
    # Compared as bits: -0.0 and 0.0 are two edges, NaN is one.
    bits = torch.cat([given, *near]).to(torch.float64).view(torch.int64)
    distinct: Tensor = torch.unique(bits).view(torch.float64).to(dtype)
    return distinct


def edge_inputs(case: Case, entry: FunctionEntry, background: Sequence[Tensor]) -> list[tuple[tuple[Tensor, ...], int]]:
    """Return input tuples that together hold every combination of edges, and how many leading elements are edges.

    The other elements are those of `background`. One tuple suffices where the tensors are large enough.
    """
    values = edge_values(entry.function, torch_dtype(case.dtype, case.function))
    inputs = len(background)
    if inputs == 1:
        combinations = values.reshape(-1, 1)
    else:
        combinations = torch.cartesian_prod(*[values] * inputs)
        combinations = combinations[:: max(1, -(-len(combinations) // MOST_EDGES))]
    if any(tensor.numel() == 0 for tensor in background):
        return []
    # An expanded tensor repeats its first entry: edges anywhere else would be lost.
    expanded = case.layout == "expanded"
    room = min(tensor[:1].numel() if expanded and tensor.dim() else tensor.numel() for tensor in background)
    filled = []
    for chunk in combinations.split(room):  # type: ignore[no-untyped-call]
        tensors = [tensor.clone() for tensor in background]
        for tensor, column in zip(tensors, chunk.unbind(1), strict=True):
            tensor.view(-1)[: len(column)] = column
        filled.append((tuple(lay_out(tensor, case.layout).contiguous() for tensor in tensors), len(chunk)))
    return filled


def lay_out(tensor: Tensor, layout: str) -> Tensor:
    """Return a tensor of the same values in that memory layout; unchanged where the layout does not fit its rank.

    `expanded` repeats the first entry along the first dimension (stride 0), and so changes the values.
    """
    if layout == "transposed" and tensor.dim() >= 2:
        return tensor.transpose(-1, -2).contiguous().transpose(-1, -2)
    if layout == "strided" and tensor.dim() >= 1:
        wide = tensor.new_zeros((*tensor.shape[:-1], 2 * tensor.shape[-1]))
        wide[..., ::2] = tensor
        return wide[..., ::2]
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
