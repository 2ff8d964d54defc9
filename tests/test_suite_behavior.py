"""The behaviour suite as it runs: what becomes of broken calls, of what is expected to fail, and of the built-ins."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradgauge.behavior.table import NAMES
from gradgauge.runs import RunFolder
from tests.fakes import Line, Measured, a_job, measure_here, write_function

HEAD = '"""{0}."""\nimport torch\nfrom gradgauge.model import Implementation\n'
FUNCTORCH = {"jvp", "func_grad", "vmap", "vmap_grad"}
EVERYWHERE = {"side_stream", "cuda_graph", "opcheck"}  # no accelerator here, and no custom operator


def measure(folder: Path, root: Path | None = None, functions: tuple[str, ...] = ()) -> Measured:
    selection = {"suites": ("behavior",), "modes": ("eager",), "devices": ("cpu",), "functions": functions}
    mine: dict[str, object] = {} if root is None else {"implementations": (str(root),), "only_mine": True}
    run = RunFolder.create(folder)
    return measure_here(run, a_job(run, selection, **mine))


def lines_of(measured: Measured, technique: str) -> list[Line]:
    return [line for line in measured.records if line["implementation"] == technique]


def told(lines: list[Line], verdict: str) -> dict[str, str]:
    return {line["metric"]: line["detail"] for line in lines if line["verdict"] == verdict}


def technique(body: str) -> str:
    return HEAD.format("A technique") + body + "\n"


WRITES = "def call(x):\n    with torch.no_grad():\n        x.add_(0)\n    return 2 * x\n"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    root = tmp_path_factory.mktemp("functions")
    write_function(
        root,
        raises=technique("def call(x):\n    raise ValueError('not today')\nIMPLEMENTATION = Implementation(call)"),
        disconnected=technique("IMPLEMENTATION = Implementation(lambda x: (2 * x).detach())"),
        writes=technique(WRITES + "IMPLEMENTATION = Implementation(call)"),
        writes_as_expected=technique(
            WRITES + "IMPLEMENTATION = Implementation(call, expected_fail={'inputs_unchanged': 'it must'})"
        ),
        unexpectedly_right=technique(
            "IMPLEMENTATION = Implementation(lambda x: 2 * x, expected_fail={'inputs_unchanged': 'it must'})"
        ),
        unknown_name=technique(
            "IMPLEMENTATION = Implementation(lambda x: 2 * x, expected_fail={'inputs_changed': 'it must'})"
        ),
    )
    return measure(tmp_path_factory.mktemp("run"), root)


def test_a_call_that_raises_fails_once(measured: Measured) -> None:
    (line,) = lines_of(measured, "raises")
    assert (line["metric"], line["verdict"]) == (NAMES[0], "fail")
    assert line["detail"] == "the call raised ValueError: not today"


def test_a_lost_gradient_is_told_where_one_is_needed(measured: Measured) -> None:
    lines = lines_of(measured, "disconnected")
    assert told(lines, "fail")["double_backward"].startswith("no output is connected to an input")


def test_a_fault_is_told_with_a_value_of_one_and_what_passes_with_none(measured: Measured) -> None:
    lines = lines_of(measured, "writes")
    assert [line["metric"] for line in lines].count("inputs_unchanged") == 1
    assert "inputs_unchanged" in told(lines, "fail")
    assert {line["value"] for line in lines if line["verdict"] == "fail"} == {1}
    assert {line["value"] for line in lines if line["verdict"] == "pass"} == {0}
    assert {line["metric"] for line in lines} == set(NAMES)


def test_an_expected_failure_is_none_and_only_while_it_fails(measured: Measured) -> None:
    expected = told(lines_of(measured, "writes_as_expected"), "expected-fail")
    assert list(expected) == ["inputs_unchanged"]
    assert expected["inputs_unchanged"].endswith("— expected: it must")
    assert told(lines_of(measured, "unexpectedly_right"), "fail") == {
        "inputs_unchanged": "expected to disagree, agreed: it must"
    }


def test_an_expected_failure_of_nothing_that_is_asked_is_refused(measured: Measured) -> None:
    (detail,) = told(lines_of(measured, "unknown_name"), "fail").values()
    assert detail.startswith("expected_fail names 'inputs_changed', which is not judged; judged are ")


def test_the_reference_passes_and_every_case_is_filed(measured: Measured) -> None:
    lines = lines_of(measured, "reference")
    assert told(lines, "fail") == {}
    assert {line["metric"] for line in lines} == set(NAMES)


def test_where_the_reference_raises_it_alone_answers_for_it(tmp_path: Path) -> None:
    root = write_function(tmp_path / "functions", right=technique("IMPLEMENTATION = Implementation(lambda x: 2 * x)"))
    reference = "def call(x):\n    raise ValueError('not today')\nIMPLEMENTATION = Implementation(call)"
    (root / "twice" / "reference.py").write_text(technique(reference), encoding="utf-8")
    found = measure(tmp_path / "run", root)
    (line,) = lines_of(found, "reference")
    assert (line["verdict"], line["detail"]) == ("fail", "the call raised ValueError: not today")
    assert "not today" not in str(told(lines_of(found, "right"), "pass"))


UNSUPPORTED = {
    ("relu", "reference"): set(),
    ("relu", "native"): set(),
    ("relu", "where"): set(),
    ("relu", "masked_function"): FUNCTORCH,
    ("multiply", "reference"): set(),
    ("multiply", "custom_function"): FUNCTORCH,
    ("multiply", "lean_function"): FUNCTORCH,
}
NOT_ASKED = {"relu": EVERYWHERE | {"needs_input_grad"}, "multiply": EVERYWHERE}


@pytest.fixture(scope="module")
def built_in(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return measure(tmp_path_factory.mktemp("built_in"), functions=("relu", "multiply"))


@pytest.mark.slow
@pytest.mark.parametrize(("function", "name"), UNSUPPORTED)
def test_the_built_ins_have_exactly_the_cells_that_they_have(built_in: Measured, function: str, name: str) -> None:
    lines = [line for line in lines_of(built_in, name) if line["function"] == function]
    fails = told(lines, "fail") | told(lines, "expected-fail")
    assert set(fails) == ({"needs_input_grad"} if name == "custom_function" else set())
    assert set(told(lines, "unsupported")) == UNSUPPORTED[function, name]
    assert set(told(lines, "not-applicable")) == NOT_ASKED[function]
    assert {line["metric"] for line in lines} == set(NAMES)


APPLIED = """
class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x.sin())
        return 2 * x

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * (2 + 0 * ctx.saved_tensors[0])


IMPLEMENTATION = Implementation(call=Twice.apply)
"""


@pytest.mark.slow
def test_compiled_cells_hang_on_nobody_else_in_the_run(tmp_path: Path) -> None:
    """To torch.compile all that is called by `Function.apply` is one piece of code."""
    root = write_function(tmp_path / "mine", first=technique(APPLIED), second=technique(APPLIED))
    run = RunFolder.create(tmp_path / "results")
    selection = {"suites": ("behavior",), "modes": ("compiled",), "functions": ("twice",)}
    measured = measure_here(run, a_job(run, selection, implementations=(str(root),), only_mine=True, preset="standard"))
    first, second = (
        {line["metric"]: line["verdict"] for line in lines_of(measured, each)} for each in ("first", "second")
    )
    assert first == second
    assert first["double_backward"] == "unsupported"
