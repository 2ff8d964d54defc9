"""A run folder as a real run leaves it, made without torch: three functions, one implementation of them wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gradgauge.cases import Case
from gradgauge.records import Record, Series, Verdict
from gradgauge.runs import RunFolder

SHAPES = ("256x256", "1024x1024", "4096x4096")
ELEMENTS = {"256x256": 2**16, "1024x1024": 2**20, "4096x4096": 2**24}
FUNCTIONS = {
    "multiply": ("reference", "saved_inputs"),
    "relu": ("reference", "masked_function", "where", "triton"),
    "ternary_activation": ("reference", "masked_function", "where", "published"),
}
MODES = ("eager", "compiled")
# Seconds an element in a forward pass, by implementation and mode.
COST_S = {
    "reference": (0.9e-9, 0.35e-9),
    "saved_inputs": (0.95e-9, 0.36e-9),
    "masked_function": (22e-9, 20e-9),
    "where": (6.5e-9, 0.36e-9),
    "published": (23e-9, 21e-9),
}
PASS_FACTOR = {"inference": 0.8, "forward": 1.0, "backward": 1.4, "forward_backward": 2.4}
OVERHEAD_S = 8e-6
REASON = "the published backward has the wrong sign for x < −5, and exp overflows far out"


def logistic(x: float) -> float:
    """Return σ(x), stable at both ends."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def ternary(x: float) -> float:
    """Return the staircase, as its definition has it."""
    return -logistic(-x - 5) if x < -5 else 0.1 * x if x < 5 else logistic(x - 5)


def ternary_slope(x: float) -> float:
    """Return its true derivative."""
    if -5 <= x < 5:
        return 0.1
    inner = -x - 5 if x < -5 else x - 5
    return logistic(inner) * logistic(-inner)


def published_slope(x: float) -> float:
    """Return the article's backward: the sign is wrong below −5, and far out there is no number at all."""
    if abs(x) > 93.7:
        return math.nan
    return -ternary_slope(x) if x < -5 else ternary_slope(x)


def relu(x: float) -> float:
    """Return max(x, 0)."""
    return max(x, 0.0)


def relu_slope(at_zero: float) -> Callable[[float], float]:
    """Return its derivative with a convention at the kink."""
    return lambda x: at_zero if x == 0 else float(x > 0)


CURVES: dict[tuple[str, str], tuple[Callable[[float], float], Callable[[float], float]]] = {
    ("relu", "reference"): (relu, relu_slope(0.0)),
    ("relu", "masked_function"): (relu, relu_slope(1.0)),
    ("relu", "where"): (relu, relu_slope(0.0)),
    ("ternary_activation", "reference"): (ternary, ternary_slope),
    ("ternary_activation", "masked_function"): (ternary, ternary_slope),
    ("ternary_activation", "where"): (ternary, ternary_slope),
    ("ternary_activation", "published"): (ternary, published_slope),
}


def inputs_of(function: str) -> list[float]:
    """Return where curves are evaluated: evenly in the middle, ever farther apart beyond, the kinks themselves."""
    middle = [index / 20 for index in range(-240, 241)]
    if function == "relu":
        return [x for x in middle if abs(x) <= 4]
    beyond = [12 * 10 ** (index / 40) for index in range(1, 118)]
    return sorted([*(-x for x in beyond), *middle, *beyond])


def metric(unit: str, better: str | None, help_: str, *, exact: bool = False) -> dict[str, Any]:
    """Return an entry of run.json's metrics."""
    return {"unit": unit, "better": better, "exact": exact, "help": help_}


METRICS = {
    "time": metric("s", "lower", "Median wall time of one call."),
    "speedup": metric("ratio", "higher", "Time of reference · eager over this technique's, from paired rounds."),
    "saved_bytes": metric("byte", "lower", "Bytes that the graph keeps for backward.", exact=True),
    "peak_bytes": metric("byte", "lower", "Highest allocation above the level before the call.", exact=True),
    "value_max_ulp": metric("ulp", "lower", "Largest error of a value in ulps of its scale.", exact=True),
    "gradient_max_ulp": metric("ulp", "lower", "Largest error of a gradient in ulps of its scale.", exact=True),
    "gradient_tail_ulp": metric("ulp", "lower", "The same where the true gradient is tiny; not judged.", exact=True),
    "gradient_error_ratio": metric("ratio", "lower", "Largest error over that of native eager.", exact=True),
    "value_nonfinite": metric("count", "lower", "Values whose finiteness differs from the oracle's.", exact=True),
    "gradient_nonfinite": metric("count", "lower", "Gradients whose finiteness differs.", exact=True),
    "kink_slope": metric("", None, "The slope taken at a kink.", exact=True),
}


def implementation(name: str, **changes: Any) -> dict[str, Any]:
    """Return an entry of the catalog."""
    entry = {
        "summary": f"{name.replace('_', ' ').capitalize()}, one technique of several.",
        "convention": {},
        "expected_fail": {},
        "requires": [],
        "origin": "built-in",
        "modes": {mode: {"available": True, "reason": ""} for mode in MODES},
    }
    return entry | changes


def function(name: str, formula: str, derivative: str, **changes: Any) -> dict[str, Any]:
    """Return an entry of the catalog with the implementations of that function."""
    entry = {
        "summary": "",
        "formula": formula,
        "derivative": derivative,
        "source": "the article this project starts from",
        "inputs": ["x"],
        "breakpoints": [],
        "kinks": [],
        "value_budget_ulp": 4.0,
        "gradient_budget_ulp": 4.0,
        "origin": "built-in",
        "implementations": {technique: implementation(technique) for technique in FUNCTIONS[name]},
    }
    return entry | changes


def catalog() -> dict[str, Any]:
    """Return the catalog of the three functions."""
    relu_at_0 = {"name": "x = 0", "point": 0.0, "slopes": [0.0, 1.0]}
    at_5 = [
        {"name": f"x = {x}", "point": float(x), "slopes": sorted((0.1, 0.25), reverse=x > 0)[::-1]} for x in (-5, 5)
    ]
    functions = {
        "multiply": function("multiply", "f(a, b) = a·b", "∂f/∂a = b, ∂f/∂b = a", inputs=["a", "b"]),
        "relu": function("relu", "f(x) = max(x, 0)", "1 for x > 0, 0 for x < 0", breakpoints=[0.0], kinks=[relu_at_0]),
        "ternary_activation": function(
            "ternary_activation",
            "−σ(−x−5)   for x < −5\n0.1·x      for −5 ≤ x < 5\nσ(x−5)     for x ≥ 5",
            "σ(x+5)·σ(−x−5)   for x < −5\n0.1              for −5 ≤ x < 5\nσ(x−5)·σ(5−x)   for x ≥ 5",
            summary="A smooth staircase that pushes weights to −1, 0 and 1.",
            breakpoints=[-5.0, 5.0],
            kinks=at_5,
        ),
    }
    for name, slope in {"reference": 0.0, "masked_function": 1.0, "where": 0.0}.items():
        functions["relu"]["implementations"][name]["convention"] = {"x = 0": slope}
    off = {"available": False, "reason": "triton is not installed"}
    functions["relu"]["implementations"]["triton"] |= {"requires": ["triton"], "modes": dict.fromkeys(MODES, off)}
    reasons = dict.fromkeys(("gradient_max_ulp", "gradient_nonfinite"), REASON)
    functions["ternary_activation"]["implementations"]["published"]["expected_fail"] = reasons
    return {"functions": functions, "broken": []}


def description(**changes: Any) -> dict[str, Any]:
    """Return run.json of a complete run; `changes` replace whole keys."""
    whole = {
        "command": ["gradgauge", "bench", "--preset", "standard"],
        "preset": "standard",
        "seed": 20240607,
        "selection": {"suite": [], "function": [], "mode": ["eager", "compiled"]},
        "start": "2025-11-23T05:44:00+00:00",
        "end": "2025-11-23T05:48:31+00:00",
        "complete": True,
        "metrics": METRICS,
        "suites": {"speed": "How fast?", "memory": "At what cost?", "gradients": "Is it right?"},
        "catalog": catalog(),
        "environment": {
            "machine": {"cpu_model": "Example EPYC 7B13", "cores": 2, "threads": 2, "ram_bytes": 8 * 2**30},
            "gpu": None,
            "packages": {"python": "3.12.4", "torch": "2.13.0", "pytest-benchmark": "5.3.1"},
            "git": {"commit": "ad6ca5d", "dirty": False},
        },
        "planned": [],
        "left_out": [{"what": "relu · where · float16", "reason": "the budget of 5 minutes was spent"}],
        "phases_s": {"gradients": 21.4, "memory": 12.0, "speed": 231.7},
        "timing": {"precision": 0.02, "caches": ["warm"], "protocols": ["fresh"], "cuda_graph": False},
        "spent_s": {"speed": {"timed regions": 146.4, "fresh graphs": 21.6, "rest": 72.0}},
    }
    return whole | changes


def case(function_: str, technique: str, pass_: str, shape: str, dtype: str = "float32") -> Case:
    """Return a case on the CPU; technique is `implementation/mode`."""
    name, mode = technique.split("/")
    return Case(function_, name, mode, pass_, "cpu", dtype, shape)


def timed(measured: Case, value_s: float, spread: float = 0.03, detail: str = "") -> Record:
    """Return a time with its interval."""
    low, high = sorted((value_s * (1 - spread), value_s * (1 + spread)))
    return Record("speed", measured, "time", value_s, "s", Verdict.MEASURED, detail, low, high, 40)


def speedup(measured: Case, value: float, low: float | None, high: float | None) -> Record:
    """Return a speedup with its interval."""
    return Record("speed", measured, "speedup", value, "ratio", Verdict.MEASURED, "", low, high, 40)


def agreement(measured: Case, name: str, value: float | None, verdict: Verdict, **labels: str) -> Record:
    """Return a record of the gradients suite."""
    unit = METRICS.get(name, {"unit": ""})["unit"]
    return Record("gradients", measured, name, value, unit, verdict, labels=labels)


def techniques(function_: str) -> Iterator[tuple[str, str]]:
    """Yield the implementations and modes that can run."""
    return ((name, mode) for name in FUNCTIONS[function_] if name != "triton" for mode in MODES)


def speed_records(shapes: tuple[str, ...] = SHAPES) -> Iterator[Record]:
    """Yield times and speedups; where · compiled and reference · compiled cannot be told apart."""
    for function_ in FUNCTIONS:
        for shape in shapes:
            for pass_, factor in PASS_FACTOR.items():
                native_s = OVERHEAD_S + COST_S["reference"][0] * ELEMENTS[shape] * factor
                for name, mode in techniques(function_):
                    cost_s = COST_S[name][MODES.index(mode)]
                    value_s = OVERHEAD_S * (1 + MODES.index(mode)) + cost_s * ELEMENTS[shape] * factor
                    breaks = mode == "compiled" and name in ("masked_function", "published")
                    detail = "8 graph breaks; backward ran eagerly" if breaks else ""
                    measured = case(function_, f"{name}/{mode}", pass_, shape)
                    yield timed(measured, value_s, detail=detail)
                    if (name, mode) != ("reference", "eager"):
                        ratio = native_s / value_s
                        yield speedup(measured, ratio, ratio * 0.97, ratio * 1.03)


def memory_records(shapes: tuple[str, ...] = SHAPES) -> Iterator[Record]:
    """Yield saved and peak bytes."""
    for function_ in FUNCTIONS:
        for name, mode in techniques(function_):
            for shape in shapes:
                size = 4 * ELEMENTS[shape]
                kept = size * (3 if name in ("masked_function", "published") else 1)
                forward = case(function_, f"{name}/{mode}", "forward", shape)
                yield Record("memory", forward, "saved_bytes", kept, "byte", Verdict.MEASURED)
                for pass_ in ("inference", "forward", "forward_backward"):
                    peak = size + (kept if pass_ != "inference" else 0) + 512
                    measured = case(function_, f"{name}/{mode}", pass_, shape)
                    yield Record("memory", measured, "peak_bytes", peak, "byte", Verdict.MEASURED)


def gradient_records() -> Iterator[Record]:
    """Yield verdicts in two dtypes; `published` disagrees as it says itself."""
    for function_ in FUNCTIONS:
        for name, mode in techniques(function_):
            for dtype in ("float32", "bfloat16"):
                measured = case(function_, f"{name}/{mode}", "forward_backward", "1024x1024", dtype)
                wrong = name == "published"
                yield agreement(measured, "value_max_ulp", 0.5, Verdict.PASS)
                yield agreement(measured, "value_nonfinite", 0, Verdict.PASS)
                for label in ("a", "b") if function_ == "multiply" else ("x",):
                    bad = Verdict.EXPECTED_FAIL if wrong else Verdict.PASS
                    yield agreement(measured, "gradient_max_ulp", 1.68e7 if wrong else 1.25, bad, input=label)
                    yield agreement(measured, "gradient_nonfinite", 311 if wrong else 0, bad, input=label)
                    yield agreement(measured, "gradient_tail_ulp", 3.6e10, Verdict.MEASURED, input=label)
                    oracle = name == "reference" and mode == "eager"
                    ratio = None if oracle else 1.1
                    yield agreement(measured, "gradient_error_ratio", ratio, Verdict.MEASURED, input=label)
    for name, slope in {"reference": 0.0, "masked_function": 1.0, "where": 0.0}.items():
        measured = case("relu", f"{name}/eager", "forward_backward", "scalar")
        yield agreement(measured, "kink_slope", slope, Verdict.PASS, kink="x = 0")


def odd_records() -> Iterator[Record]:
    """Yield what did not run as it should: a technique that is not to be had, a crash, an unsupported cell."""
    for mode in MODES:
        absent = Case("relu", "triton", mode, "", "", "", "", "")
        yield Record("speed", absent, "availability", None, "", Verdict.UNAVAILABLE, "triton is not installed")
    crashed = case("multiply", "saved_inputs/compiled", "backward", "4096x4096", "bfloat16")
    yield Record("speed", crashed, "time", None, "s", Verdict.CRASHED, "killed by signal 11 during the second round")
    cell = case("relu", "masked_function/compiled", "backward", "0x3")
    yield Record("speed", cell, "time", None, "s", Verdict.UNSUPPORTED, "no graph at all: data-dependent shapes")


def curves() -> Iterator[Series]:
    """Yield f and f′ of every implementation that has one input."""
    for (function_, name), (value, slope) in CURVES.items():
        xs = tuple(inputs_of(function_))
        drawn = Case(function_, name, "eager", "forward_backward", "cpu", "float32", "", "contiguous")
        yield Series(drawn, "value", xs, tuple(value(x) for x in xs))
        yield Series(drawn, "gradient", xs, tuple(slope(x) for x in xs))


def write_run(
    parent: Path, records: list[Record] | None = None, series: list[Series] | None = None, **changes: Any
) -> RunFolder:
    """Write a run folder below `parent`: the standard one, or one with the records and run.json keys given."""
    folder = RunFolder(parent / "20251123T054400Z-beef")
    folder.path.mkdir(parents=True)
    folder.write_description({"run_id": folder.run_id, **description(**changes)})
    for record in standard_records() if records is None else records:
        folder.append_record(record)
    for line in list(curves()) if series is None else series:
        folder.append_series(line)
    return folder


def standard_records() -> list[Record]:
    """Return every record of the standard run."""
    return [*gradient_records(), *memory_records(), *speed_records(), *odd_records()]
