"""The function's gradient beside numerical differences: PyTorch's own gradcheck and gradgradcheck, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from gradgauge.attempts import Failure, Unsupported, attempt
from gradgauge.calling import gradients_of, outputs_of
from gradgauge.checking.findings import Finding
from gradgauge.checking.snippets import head, made, shown
from gradgauge.checking.target import Target, cut_to, name_of
from gradgauge.loading import first_line
from gradgauge.numerical import MOST_ELEMENTS, check_first_order, check_second_order
from gradgauge.records import Verdict

NUMERICAL = {"gradcheck": check_first_order, "gradgradcheck": check_second_order}
MOST_SINGLES = 64
"""So many elements are tried alone in search of one that shows a fault by itself."""
STEP = 1e-6


def check_numerically(target: Target, wanted: set[str]) -> Iterator[Finding]:
    """Run PyTorch's own checks; with a reference, only those that it passes, as a straight-through one does not."""
    inputs = _few(target)
    for name, run in NUMERICAL.items():
        if name not in wanted:
            continue
        if target.has_reference:
            right = attempt(name, partial(run, target.reference, inputs))
            if isinstance(right, Failure):
                detail = f"the reference does not pass it either: {right.detail}"
                yield Finding(name, Verdict.NOT_APPLICABLE, detail)
                continue
        outcome = attempt(name, partial(_in_float64, target, inputs, run))
        if not isinstance(outcome, Failure):
            yield Finding(name, Verdict.PASS)
        elif outcome.verdict == Verdict.FAIL:
            hint = "" if target.has_reference else f"; if that is meant, give a reference, or skip {name!r}"
            fault = _numerical_fault(target, name, inputs, run, outcome.detail)
            yield replace(fault, detail=f"{fault.detail}{hint}")
        else:
            yield Finding(name, outcome.verdict, outcome.detail)


def _few(target: Target) -> tuple[Tensor, ...]:
    """Return the examples in float64, cut to so few elements that all slopes are looked at where that will do."""
    for size in (8, 4, 2):
        cut = cut_to(target.given, size)
        if sum(tensor.numel() for tensor in cut) <= MOST_ELEMENTS:
            leaves = tuple(tensor.double().requires_grad_() for tensor in target.smooth(cut))
            if not isinstance(attempt("fewer elements", lambda leaves=leaves: target.reference(*leaves)), Failure):  # type: ignore[misc]
                return leaves
    return tuple(tensor.double().requires_grad_() for tensor in target.smooth())


def _in_float64(target: Target, inputs: tuple[Tensor, ...], run: Callable[..., None]) -> None:
    try:
        outputs = outputs_of(target.call(*inputs))
    except Exception as error:
        raise Unsupported(
            f"refuses float64, where numerical differences mean something: {first_line(error)}"
        ) from error
    for index, output in enumerate(outputs):
        if output.dtype != torch.float64:
            raise Unsupported(f"output {index} is {output.dtype} for float64 inputs, where differences mean something")
    run(target.call, inputs)


def _numerical_fault(
    target: Target, name: str, inputs: tuple[Tensor, ...], run: Callable[..., None], detail: str
) -> Finding:
    """Return the finding with the first element that shows the fault alone, where one does."""
    shown = inputs
    if len({tensor.shape for tensor in inputs}) == 1:
        singles = zip(*(tensor.detach().reshape(-1).split(1) for tensor in inputs), strict=True)  # type: ignore[no-untyped-call]
        for single in list(singles)[:MOST_SINGLES]:
            leaves = tuple(tensor.clone().requires_grad_() for tensor in single)
            outcome = attempt(name, partial(run, target.call, leaves))
            if isinstance(outcome, Failure) and outcome.verdict == Verdict.FAIL:
                shown, detail = leaves, outcome.detail
                break
    return Finding(name, Verdict.FAIL, detail, *_numerical_example(target, name, shown))


def _numerical_example(target: Target, name: str, inputs: tuple[Tensor, ...]) -> tuple[str, str]:
    """Return the inputs with the gradient that was found and what differences say, and the lines that show it."""
    given = ", ".join(f"{each} = {shown(tensor)}" for each, tensor in zip(target.names, inputs, strict=True))
    example = f"smallest input that shows it: {given}"
    names = ", ".join(target.names)
    lines = [made(each, tensor) for each, tensor in zip(target.names, inputs, strict=True)]
    lines += [f"torch.autograd.{name}({name_of(target.call)}, ({names},))"]
    if name == "gradcheck" and sum(tensor.numel() for tensor in inputs) <= len(inputs):
        slopes = attempt("it", partial(_slopes, target, inputs))
        if not isinstance(slopes, Failure):
            for each, found, right in zip(target.names, *slopes, strict=True):
                example += f"\n  gradient of {each}: expected {right:.7g} (numerically), found {found:.7g}"
            lines[-1:] = [
                f"{name_of(target.call)}({names}).sum().backward()",
                *(f"print({each}.grad)" for each in target.names),
            ]
    return example, "\n".join([*head(target), *lines])


def _slopes(target: Target, inputs: tuple[Tensor, ...]) -> tuple[list[float], list[float]]:
    """Return the slope by each input as backward has it, and as central differences have it; for single elements."""

    def total(tensors: tuple[Tensor, ...]) -> Tensor:
        return torch.stack([value.sum() for value in outputs_of(target.call(*tensors))]).sum()

    values = outputs_of(target.call(*inputs))
    found = gradients_of(values, inputs, [torch.ones_like(value) for value in values], may_be_disconnected=True)
    right = []
    for index, tensor in enumerate(inputs):
        step = STEP * max(1.0, float(tensor.detach().abs().max()))
        sides = [
            tuple(other.detach() + sign * step * (number == index) for number, other in enumerate(inputs))
            for sign in (1, -1)
        ]
        right.append(float(total(sides[0]) - total(sides[1])) / (2 * step))
    return [float(each) for each in found], right
