"""Plain PyTorch that reproduces a fault of somebody's function: tensors as data, and the line that imports it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradgauge import examples, snippets
from gradgauge.attempts import Failure, attempt
from gradgauge.behavior.operators import custom_operators
from gradgauge.calling import Call
from gradgauge.checking.target import Target, function_class, name_of
from gradgauge.examples import MOST_LITERALS, MOST_NUMBERS, Example, ExampleCall, Given, Numbers, Outcome
from gradgauge.snippet_templates import BEHAVIORS
from gradgauge.snippets import Source, write_snippet
from gradgauge.trials import Trial


def import_line(call: Call) -> str:
    """Return the line that brings the function in, or a comment where nobody can import it."""
    named = function_class(call) or call
    module, name = str(getattr(named, "__module__", "")), str(getattr(named, "__qualname__", ""))
    if module and module not in ("__main__", "builtins") and name.isidentifier():
        return f"from {module} import {name}"
    owner = function_class(call)
    return f"# {owner.__name__ if owner else name_of(call)} is the function that was checked"


def source_of(target: Target) -> Source:
    """Return how a snippet gets at the function."""
    return Source((import_line(target.call),), name_of(target.call))


def numbers_of(tensor: Tensor, *, is_result: bool = False) -> Numbers:
    """Return a tensor as data: with the fewest digits that tell its numbers from their neighbours in its dtype.

    is_result: the very numbers, to be told and not to be written in code.
    """
    flat, dtype = tensor.detach().cpu().reshape(-1), str(tensor.dtype).removeprefix("torch.")
    wide = flat.double()
    low, high = (float(wide.min()), float(wide.max())) if len(flat) else (math.nan, math.nan)
    values: tuple[float, ...] | None = None
    if len(flat) > MOST_NUMBERS and low == high:
        values = (_short(low, tensor.dtype),)
    elif len(flat) <= MOST_LITERALS:
        values = tuple(value if is_result else _short(value, tensor.dtype) for value in wide.tolist())
    return Numbers(tuple(tensor.shape), dtype, values, low, high)


def _short(value: float, dtype: torch.dtype) -> float:
    if not math.isfinite(value) or dtype == torch.float64:
        return value
    texts = (float(f"{value:.{digits}g}") for digits in range(1, 18))
    return next((each for each in texts if float(torch.tensor(each, dtype=dtype)) == value), value)


def shown(tensor: Tensor) -> str:
    """Return a tensor's numbers for a reader: nested as the tensor is, a range where there are many."""
    return examples.shown(numbers_of(tensor, is_result=True))


def literal(tensor: Tensor, layout: str = "contiguous") -> str:
    """Return an expression for a tensor of the same numbers, dtype, device and memory layout."""
    return snippets.literal(numbers_of(tensor), layout, tensor.device.type)


def made(name: str, tensor: Tensor, layout: str = "contiguous", *, asks: bool = True) -> str:
    """Return the line that makes an input, which asks for its gradient or does not."""
    return snippets.made(Given(name, numbers_of(tensor), layout, asks), tensor.device.type)


def head(target: Target) -> list[str]:
    """Return the lines that every snippet begins with."""
    return ["import torch", *source_of(target).lines, ""]


def example_call(names: Sequence[str], trial: Trial) -> ExampleCall:
    """Return a trial as data; what it did not come to is left out."""
    truth, way = trial.truth, trial.way
    answered = way.answered or (True,) * len(trial.values)
    found = trial.gradients or (None,) * len(trial.inputs)
    asked = any(tensor.requires_grad for tensor in trial.inputs)
    return ExampleCall(
        inputs=tuple(
            # The call may have written into the inputs that it had.
            Given(name, numbers_of(given), layout, tensor.requires_grad)
            for name, given, tensor, layout in zip(names, truth.inputs, trial.inputs, trial.layouts, strict=True)
        ),
        values=tuple(
            Outcome(numbers_of(right), numbers_of(value, is_result=True))
            for right, value in zip(truth.values, trial.values, strict=True)
        ),
        gradients=tuple(
            Outcome(numbers_of(right), None if gradient is None else numbers_of(gradient, is_result=True))
            if tensor.requires_grad
            else None
            for right, gradient, tensor in zip(truth.gradients, found, trial.inputs, strict=True)
        ),
        grad_outputs=tuple(
            numbers_of(grad) if asked and is_sent and value.requires_grad else None
            for grad, is_sent, value in zip(truth.grad_outputs, answered, trial.values, strict=True)
        ),
        grad_layout=way.grad_output_layout,
        is_tuple=truth.is_tuple,
        records_graph=way.records_graph,
    )


def example_of_behavior(
    call: Call, names: Sequence[str], behavior: str, inputs: Sequence[Tensor], *, is_tuple: bool
) -> Example:
    """Return the inputs that show a fault of a behaviour."""
    given = tuple(Given(name, numbers_of(tensor)) for name, tensor in zip(names, inputs, strict=True))
    operator = ""
    if behavior == "opcheck":
        leaves = tuple(tensor.detach().clone().requires_grad_() for tensor in inputs)
        found = attempt("it", lambda: next(iter(custom_operators(call, leaves)), ""))
        operator = "" if isinstance(found, Failure) else str(found)
    return Example((ExampleCall(given, is_tuple=is_tuple),), inputs[0].device.type, operator=operator)


def behavior_snippet(target: Target, behavior: str, inputs: Sequence[Tensor], *, is_tuple: bool) -> str:
    """Return the lines that show a fault of a behaviour on these inputs; empty where there are none for it."""
    if behavior not in BEHAVIORS:
        return ""
    example = example_of_behavior(target.call, target.names, behavior, inputs, is_tuple=is_tuple)
    return write_snippet(example, source_of(target), behavior)
