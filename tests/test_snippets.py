from __future__ import annotations

import re
from dataclasses import replace

import pytest

from gradgauge.behavior.table import BEHAVIORS as ASKED
from gradgauge.examples import Example, ExampleCall, Given, Numbers, Outcome, shown
from gradgauge.snippet_templates import BEHAVIORS, TOLD_BY_REFERENCE
from gradgauge.snippets import Source, literal, source_of, write_case, write_gradcheck, write_snippet

ONE = Numbers((1,), "float32", (0.5,), 0.5, 0.5)
WRONG = ExampleCall(
    (Given("x", ONE),), (Outcome(ONE, ONE),), (Outcome(ONE, Numbers((1,), "float32", (-0.5,))),), (ONE,)
)
HERE = Source(("from here import call",), "call", "right")


def test_a_snippet_makes_the_input_calls_and_says_what_is_expected() -> None:
    assert write_snippet(Example((WRONG,)), HERE).splitlines() == [
        "import torch",
        "from here import call",
        "",
        "x = torch.tensor([0.5], requires_grad=True)",
        "y = call(x)",
        "print(y)  # expected [0.5]",
        "y.backward(torch.tensor([0.5]))",
        "print(x.grad)  # expected [0.5]",
    ]


@pytest.mark.parametrize("name", ["x; import os", "class", "torch", "call", "y)\nimport os", "", "reference"])
def test_a_name_that_cannot_stand_in_code_is_replaced(name: str) -> None:
    nasty = replace(WRONG, inputs=(Given(name, ONE),))
    for code in (
        write_snippet(Example((nasty,)), HERE),
        write_snippet(Example((nasty,)), HERE, "vmap"),
        write_case(Example((nasty,)), HERE, "backward"),
        write_gradcheck(Example((nasty,)), HERE, "gradcheck"),
    ):
        assert "input0 = torch.tensor([0.5], requires_grad=True)" in code.splitlines()
        assert "import os" not in code
        compile(code, "snippet", "exec")


def test_two_inputs_of_one_name_are_told_apart() -> None:
    twice = ExampleCall((Given("x", ONE), Given("x", ONE)))
    assert "call(x, input1)" in write_snippet(Example((twice,)), HERE)


@pytest.mark.parametrize("file", ['/tmp/"); import os #/mine.py', "/tmp/'); import os #\n/mine.py", "c:\\mine.py"])
def test_a_path_is_quoted(file: str) -> None:
    (*_, line) = source_of("relu", file, "eager", implementation="mine").lines
    quoted = re.fullmatch(r"call = load_module\(Path\((.*)\)\)\.IMPLEMENTATION\.call", line)
    assert quoted
    assert eval(quoted[1], {"__builtins__": {}}) == file


def test_a_file_of_this_project_is_found_wherever_that_lies() -> None:
    source = source_of("relu", "", "compiled", implementation="where", reference="")
    assert source.lines == (
        "from gradgauge.catalog import builtin_folder",
        "from gradgauge.loading import load_module",
        "",
        "call = load_module(builtin_folder(\"implementations\") / 'relu/where.py').IMPLEMENTATION.call",
        "reference = load_module(builtin_folder(\"implementations\") / 'relu/reference.py').IMPLEMENTATION.call",
        "call = torch.compile(call, dynamic=False)",
    )


def test_a_technique_from_outside_may_have_its_reference_here() -> None:
    source = source_of("relu", "/mine/relu/mine.py", "eager", implementation="mine", reference="")
    assert source.lines[:3] == (
        "from pathlib import Path",
        "from gradgauge.catalog import builtin_folder",
        "from gradgauge.loading import load_module",
    )
    assert "call = load_module(Path('/mine/relu/mine.py')).IMPLEMENTATION.call" in source.lines


def test_numbers_that_are_all_alike_are_written_once() -> None:
    many = Numbers((64, 64), "bfloat16", (0.5,), 0.5, 0.5)
    assert literal(many) == "torch.full((64, 64), 0.5, dtype=torch.bfloat16)"
    assert shown(many) == "4096 times 0.5"


def test_numbers_that_were_not_kept_are_drawn_from_a_seed() -> None:
    many = Numbers((64, 64), "float32", None, -3.0, 3.0)
    code = write_snippet(Example((ExampleCall((Given("x", many),)),)), HERE)
    assert "torch.manual_seed(0)\nx = torch.randn((64, 64), requires_grad=True)\ncall(x)" in code


def test_numbers_of_another_count_than_the_shape_s_are_refused() -> None:
    with pytest.raises(ValueError, match=r"3 numbers for the shape \(2, 2\)"):
        Numbers((2, 2), "float32", (1.0, 2.0, 3.0))


def test_a_case_is_run_as_its_pass_runs_and_compared_with_the_reference() -> None:
    example = Example((ExampleCall((Given("x", Numbers((4,), "float32", None)),)),))
    trained = write_case(example, HERE, "forward_backward")
    assert "y = right" not in trained
    assert "y = reference(*right)" in trained
    assert trained.count(".backward()") == 2
    assert "torch.inference_mode" in write_case(example, HERE, "inference")
    assert "backward" not in write_case(example, replace(HERE, reference=""), "forward")


def test_every_template_is_a_behaviour_s_and_leaves_no_blank() -> None:
    assert set(BEHAVIORS) <= {behavior.name for behavior in ASKED}
    for name in BEHAVIORS:
        code = write_snippet(Example((WRONG,), operator="mine.relu"), HERE, name)
        assert not re.search(r"\{(fn|y|first|op|device)\}", code)
        assert ("# what is right" in code) == (name in TOLD_BY_REFERENCE)
        compile(code, name, "exec")
