"""The counters suite as it runs: operators, products, what torch.compile makes of it, and what has no such figure."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gradgauge.cases import PASSES
from gradgauge.counting import Counts
from gradgauge.gauge import Gauge
from gradgauge.passes import Pass
from gradgauge.runs import RunFolder
from suites import counters
from tests.fakes import Line, Measured, a_case, a_function, a_job, an_entry, measure_here, technique_py, write_function

FUNCTION = '''"""A product of matrices."""
from gradgauge.model import Function

FUNCTION = Function(formula="f(a, b) = a b", derivative="b, a", source="here", summary="A product", inputs=("a", "b"),
                    shapes={"quick": ("16x16,16x16", "8x8,8x8"), "standard": ("16x16,16x16",)})
'''
ELEMENTWISE = '''"""Twice."""
from gradgauge.model import Function

FUNCTION = Function(formula="f(x) = 2x", derivative="2", source="here", summary="Twice",
                    shapes={"quick": ("8",), "standard": ("8", "16")})
'''
WATCHED = """
from torch.utils._python_dispatch import _get_current_dispatch_mode

def call(x):
    if _get_current_dispatch_mode() is not None:
        raise RuntimeError("not while you look")
    return x + x
"""
PRODUCTS = {"reference": "call = torch.mm\n", "matmul": "def call(a, b):\n    return a @ b\n"}
SUMS = {
    "reference": "def call(x):\n    return x + x\n",
    "watched": WATCHED,
    "raises": "def call(x):\n    raise ValueError('not today')\n",
}
NOT_AT_ALL = """
@torch.compiler.disable
def inner(x):
    return x + x

def call(x):
    return inner(x)
"""
COMPILED = {
    "reference": "def call(x):\n    return 2 * x\n",
    "of_eight": "def call(x):\n    return x + torch.ones(8)\n",
    "not_at_all": NOT_AT_ALL,
}


def measure(tmp_path_factory: pytest.TempPathFactory, mode: str, **functions: tuple[str, dict[str, str]]) -> Measured:
    root = tmp_path_factory.mktemp(mode)
    for name, (function, bodies) in functions.items():
        files = {technique: technique_py(body) for technique, body in bodies.items()}
        write_function(root, name, **{"function": function, **files})
    folder = RunFolder.create(root)
    selection = {"suites": ("counters",), "modes": (mode,), "devices": ("cpu",)}
    return measure_here(folder, a_job(folder, selection, implementations=(str(root),), only_mine=True))


@pytest.fixture(scope="module")
def eager(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return measure(tmp_path_factory, "eager", product=(FUNCTION, PRODUCTS), twice=(ELEMENTWISE, SUMS))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return measure(tmp_path_factory, "compiled", twice=(ELEMENTWISE, COMPILED))


def by_pass(lines: list[Line]) -> dict[str, Any]:
    return {line["pass"]: line["value"] for line in lines}


# --- eager ----------------------------------------------------------------------------------------------------------


def test_what_is_counted_hangs_on_no_size_so_the_first_shape_will_do(eager: Measured) -> None:
    assert {(line["function"], line["shape"]) for line in eager.records} == {
        ("product", "16x16,16x16"),
        ("twice", "8"),
    }


@pytest.mark.parametrize("technique", PRODUCTS)
def test_a_product_takes_two_operations_for_each_of_its_terms(eager: Measured, technique: str) -> None:
    found = by_pass(eager.find("flops", function="product", implementation=technique))
    products = {"inference": 1, "forward": 1, "backward": 2, "forward_backward": 3}
    assert found == {pass_: products[pass_] * 2 * 16**3 for pass_ in PASSES}


def test_what_has_no_product_says_so_once(eager: Measured) -> None:
    (line,) = eager.find("flops", function="twice", implementation="reference")
    assert (line["pass"], line["value"], line["verdict"]) == ("forward_backward", None, "not-applicable")
    assert line["detail"] == "no operator in it that PyTorch has a formula for"


def test_operators_are_told_by_name_the_most_frequent_first(eager: Measured) -> None:
    lines = {line["pass"]: line for line in eager.find("operators", function="product", implementation="matmul")}
    assert lines["forward"]["detail"].endswith("1 aten::matmul, 1 aten::mm")
    assert "2 aten::mm" in lines["backward"]["detail"].split(", ")
    for line in lines.values():
        counts = [int(each.split()[0]) for each in line["detail"].split(", ")]
        assert counts == sorted(counts, reverse=True)
        assert line["value"] == sum(counts)


def test_most_frequent_first_and_then_by_name() -> None:
    assert counters._most(Counter({"b": 1, "c": 2, "a": 1})) == "2 c, 1 a, 1 b"
    assert counters._most(Counter()) == ""


def test_who_does_not_run_under_the_counter_of_flops_is_counted_otherwise(eager: Measured) -> None:
    lines = [line for line in eager.records if line["implementation"] == "watched"]
    assert {line["verdict"] for line in lines if line["metric"] == "operators"} == {"measured"}
    flops = [line for line in lines if line["metric"] == "flops"]
    assert {line["verdict"] for line in flops} == {"unsupported"}
    assert all("not while you look" in line["detail"] for line in flops)


def test_what_raises_fails_in_its_first_metric_and_costs_only_itself(eager: Measured) -> None:
    failed = [line for line in eager.records if line["verdict"] == "fail"]
    assert {(line["implementation"], line["metric"]) for line in failed} == {("raises", "operators")}
    assert {line["pass"] for line in failed} == set(PASSES)
    assert all("not today" in line["detail"] for line in failed)
    assert len([line for line in eager.records if line["implementation"] == "raises"]) == len(PASSES)


def test_on_a_cpu_neither_launches_nor_waits_are_told(eager: Measured) -> None:
    assert {line["metric"] for line in eager.records} == {"operators", "flops"}


def test_on_an_accelerator_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    filed: dict[str, tuple[Any, ...]] = {}
    counts = Counts(
        operators=Counter({"aten::mul": 2}),
        kernels=Counter({"cudaLaunchKernel": 3, "cuLaunchKernel": 1}),
        waits=Counter({"cudaStreamSynchronize": 1}),
    )
    monkeypatch.setattr(counters, "count_calls", lambda action, device: counts)
    gauge = SimpleNamespace(
        case=a_case(device="cuda:0"), record=lambda metric, *told: filed.setdefault(metric.name, told)
    )
    counters._file_calls(cast("Gauge", gauge), Pass(lambda n: n, lambda batch: None))
    assert filed == {
        "operators": (2, "measured", "2 aten::mul"),
        "kernels": (4, "measured", "3 cudaLaunchKernel, 1 cuLaunchKernel"),
        "device_waits": (1, "measured", "1 cudaStreamSynchronize"),
    }


# --- shapes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "inputs", "standard", "others"),
    [
        ("64x64", ("x",), ("64x64", "1024x1024"), ["64x64", "63x63", "62x62", "61x61", "1024x1024"]),
        ("4x9", ("x",), ("8",), ["4x9", "4x8", "4x7", "4x6", "8"]),  # small sizes stay
        ("3x1", ("x",), ("3x1",), ["3x1"]),
        ("scalar", ("x",), ("8",), ["scalar", "8"]),
        ("9x8,8", ("a", "b"), ("9x8,8",), ["9x8,8", "8x7,7", "7x6,6", "6x5,5"]),
        ("9", ("x",), None, ["9", "8", "7", "6", "64x64", "256x256", "1024x1024"]),  # a function that names none
    ],
)
def test_other_shapes_are_somewhat_smaller_and_those_of_the_standard_preset(
    shape: str, inputs: tuple[str, ...], standard: tuple[str, ...] | None, others: list[str]
) -> None:
    function = a_function(inputs=inputs, shapes={"standard": standard} if standard else {})
    assert counters._other_shapes(a_case(shape=shape), an_entry(function)) == others


# --- compiled -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_compiling_came_to_is_told_once_with_forward_and_backward(compiled: Measured) -> None:
    lines = [line for line in compiled.records if line["metric"] != "operators"]
    assert {line["pass"] for line in lines} == {"forward_backward"}
    found = {line["metric"]: line["value"] for line in lines if line["implementation"] == "reference"}
    assert found == {"graph_breaks": 0, "generated_kernels": 2, "recompiles": 1}


@pytest.mark.slow
def test_generated_code_dispatches_nothing(compiled: Measured) -> None:
    found = by_pass(compiled.find("operators", implementation="reference"))
    assert set(found) == set(PASSES)
    assert found["inference"] == found["forward"] == 0


@pytest.mark.slow
def test_who_takes_no_other_shape_captures_none_anew(compiled: Measured) -> None:
    (line,) = compiled.find("recompiles", implementation="of_eight")
    assert (line["value"], line["verdict"]) == (None, "not-applicable")
    assert line["detail"] == "takes no other shape than the case's"


@pytest.mark.slow
def test_where_torch_compile_finds_no_graph_there_is_nothing_to_break(compiled: Measured) -> None:
    (line,) = compiled.find("graph_breaks", implementation="not_at_all")
    assert (line["value"], line["verdict"]) == (None, "unsupported")
    assert line["detail"] == "torch.compile found no graph in it: nothing would run compiled"
    assert not compiled.find("generated_kernels", implementation="not_at_all")
