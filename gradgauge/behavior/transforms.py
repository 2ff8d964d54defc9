"""The transforms of torch.func: grad, vmap, and one of them over the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import torch
from torch import Tensor

from gradgauge.attempts import NotApplicable
from gradgauge.behavior.subject import Subject, expect_near, may_refuse, rounding_tolerance
from gradgauge.calling import gradients_of, outputs_of


def func_grad(subject: Subject) -> str:
    """Differentiate by torch.func.grad; right is what the call's own backward gives."""
    inputs = subject.plain()
    with may_refuse("torch.func.grad"):
        found = torch.func.grad(subject.apart().scalar(), argnums=tuple(range(len(inputs))))(*inputs)
    expect_near("the gradient by torch.func.grad", found, subject.run().gradients, rounding_tolerance(subject.dtype))
    return ""


def vmap(subject: Subject) -> str:
    """Map over each input alone and over all together, along the first dimension and the last; right is a loop.

    The mapped call has a backward, too, as a batch of samples in a loss has.
    """
    tolerance, own = rounding_tolerance(subject.dtype), subject.apart()
    for name, in_dims, out_dim in _mappings(subject):
        # Two sets of leaves: what one of the two ways did to its inputs must not pass for the other's.
        batched, apart = (_leaves(_batched(subject, in_dims)) for _ in range(2))
        with may_refuse(f"vmap over {name}"):
            mapped = torch.func.vmap(own.call, in_dims=in_dims, out_dims=out_dim)(*batched)
        found = [value.movedim(out_dim, 0) for value in outputs_of(mapped)]
        looped = [outputs_of(subject.call(*_one(apart, in_dims, index))) for index in range(len(subject.samples))]
        right = [torch.stack(each) for each in zip(*looped, strict=True)]
        expect_near(f"under vmap over {name} the value", found, right, tolerance)
        grads = subject.directions(right)
        with may_refuse(f"the backward of vmap over {name}"):
            gradients = gradients_of(found, batched, grads, may_be_disconnected=True)
        wanted = gradients_of(right, apart, grads, may_be_disconnected=True)
        expect_near(f"under vmap over {name} the gradient", gradients, wanted, tolerance)
    return ""


def _leaves(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(tensor.detach().clone().requires_grad_() for tensor in tensors)


def vmap_grad(subject: Subject) -> str:
    """Take a gradient for each sample of a batch: torch.func.vmap over torch.func.grad; right is a loop."""
    inputs, scalar, own = tuple(range(len(subject.samples[0]))), subject.scalar(), subject.apart().scalar()
    for name, in_dims, _ in _mappings(subject):
        batched = _batched(subject, in_dims)
        with may_refuse(f"vmap(grad) over {name}"):
            found = torch.func.vmap(torch.func.grad(own, argnums=inputs), in_dims=in_dims)(*batched)
        rows = []
        for index in range(len(subject.samples)):
            leaves = tuple(tensor.clone().requires_grad_() for tensor in _one(batched, in_dims, index))
            total = torch.as_tensor(scalar(*leaves))
            if not total.requires_grad:
                raise NotApplicable("no output is connected to an input: there is no gradient")
            rows.append(torch.autograd.grad(total, leaves, materialize_grads=True))
        right = [torch.stack(each) for each in zip(*rows, strict=True)]
        expect_near(f"under vmap(grad) over {name} the gradient", found, right, rounding_tolerance(subject.dtype))
    return ""


def _mappings(subject: Subject) -> Iterator[tuple[str, tuple[int | None, ...], int]]:
    """Yield what is mapped over, in words, with in_dims for it and an out_dim."""
    inputs = len(subject.samples[0])
    if inputs > 1:
        yield "all inputs", (0,) * inputs, 0
    for index in range(inputs):
        yield f"input {index}", tuple(0 if other == index else None for other in range(inputs)), 0
    yield "the last dimension", (-1,) * inputs, -1


def _batched(subject: Subject, in_dims: Sequence[int | None]) -> tuple[Tensor, ...]:
    first = subject.samples[0]
    return tuple(
        first[index].clone() if dim is None else torch.stack([sample[index] for sample in subject.samples], dim)
        for index, dim in zip(count(), in_dims)
    )


def _one(batched: Sequence[Tensor], in_dims: Sequence[int | None], index: int) -> tuple[Tensor, ...]:
    return tuple(
        tensor if dim is None else tensor.select(dim, index) for tensor, dim in zip(batched, in_dims, strict=True)
    )
