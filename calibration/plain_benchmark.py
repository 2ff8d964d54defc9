"""What gradgauge is compared with: one plain pytest-benchmark test a case, one after the other, nothing interleaved.

Not run from here: `calibration.plain` copies this file into a folder of its own, beside a `cases.json`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from gradgauge.calling import Call, outputs_of
from gradgauge.cases import Case
from gradgauge.catalog import FunctionEntry, builtin_folder, load
from gradgauge.compilation import compile_call, forget_compiled
from gradgauge.inputs import as_leaf, cotangents, generator_for, random_inputs

WARM_UP_CALLS = 3
FEWEST_ROUNDS = 5
"""As pytest-benchmark's own --benchmark-min-rounds."""

Tensors = tuple[Tensor, ...]


@cache
def plan() -> dict[str, Any]:
    """Return what `cases.json` asks for: `cases`, `seed` and `max_time_s`."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("cases.json").read_text(encoding="utf-8"))
    return found


@cache
def entry_of(function: str) -> FunctionEntry:
    """Return the function with its implementations."""
    return load([builtin_folder("implementations")], (function,)).functions[function]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each case."""
    metafunc.parametrize("case", [Case.from_json(keys) for keys in plan()["cases"]], ids=lambda case: case.slug)


def test_speed(case: Case, benchmark: BenchmarkFixture) -> None:
    """Time one case the way that pytest-benchmark's documentation shows."""
    forget_compiled()  # or the recompile limit would turn later compiled cases into eager ones
    entry = entry_of(case.function)
    call = entry.implementations[case.implementation].implementation.call
    if case.mode == "compiled":
        call = compile_call(call)
    inputs = tuple(as_leaf(tensor, case) for tensor in random_inputs(case, entry, plan()["seed"]))
    setup, target = steps_of(case, call, inputs, grad_outputs_of(case, entry, inputs))
    duration_s = warm_up(setup, target)
    benchmark.extra_info.update(case.to_json())
    if case.pass_ == "backward":
        # With a setup, pytest-benchmark leaves the number of rounds to the caller.
        rounds = max(FEWEST_ROUNDS, int(plan()["max_time_s"] / duration_s))
        benchmark.pedantic(target, setup=lambda: (setup(), {}), rounds=rounds)
    else:
        benchmark(target)


def grad_outputs_of(case: Case, entry: FunctionEntry, inputs: Tensors) -> Tensors:
    """Return the cotangents that gradgauge draws for the case."""
    outputs = outputs_of(entry.reference.implementation.call(*inputs))
    return cotangents(outputs, generator_for(case, plan()["seed"], "cotangents"))


def steps_of(
    case: Case, call: Call, inputs: Tensors, grad_outputs: Tensors
) -> tuple[Callable[[], tuple[Any, ...]], Callable[..., Any]]:
    """Return what prepares a round, outside the clock, and what is timed, given what the first returns."""

    def nothing() -> tuple[Any, ...]:
        return ()

    def inference() -> None:
        with torch.inference_mode():
            call(*inputs)

    def forward() -> None:
        call(*inputs)

    def fresh_graph() -> tuple[Any, ...]:
        clear()
        return (outputs_of(call(*inputs)),)

    def backward(outputs: Tensors) -> None:
        torch.autograd.backward(outputs, grad_outputs)

    def forward_backward() -> None:
        torch.autograd.backward(outputs_of(call(*inputs)), grad_outputs)
        clear()

    def clear() -> None:
        for tensor in inputs:
            tensor.grad = None

    steps: dict[str, tuple[Callable[[], tuple[Any, ...]], Callable[..., Any]]] = {
        "inference": (nothing, inference),
        "forward": (nothing, forward),
        "backward": (fresh_graph, backward),
        "forward_backward": (nothing, forward_backward),
    }
    return steps[case.pass_]


def warm_up(setup: Callable[[], tuple[Any, ...]], target: Callable[..., Any]) -> float:
    """Call a few times, so that compiling is over, and return the seconds that the last call and its setup took."""
    for _ in range(WARM_UP_CALLS - 1):
        target(*setup())
    started = time.perf_counter()
    target(*setup())
    return time.perf_counter() - started
