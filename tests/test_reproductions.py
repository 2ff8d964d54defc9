"""What a run stores of each fault, and that the code written from it shows the fault in a fresh process."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gradgauge.ahead import CompileAhead
from gradgauge.catalog import builtin_folder, load
from gradgauge.description import describe_catalog
from gradgauge.report.data import RunData
from gradgauge.report.evidence import Evidence, evidence_of
from gradgauge.report.faults import faults_of
from gradgauge.report.verdicts import WRONG
from gradgauge.runs import RunFolder
from tests.fakes import ROOT, a_job, measure_here, python, technique_py, write_function

Measure = Callable[..., RunData]

DOT_PY = '''"""A sum over products."""
from gradgauge.model import Function
FUNCTION = Function(
    formula="f(a, b) = Σ a·b", derivative="b, a", source="the tests", inputs=("a", "b"), shapes={"standard": ("12",)}
)
'''
DOT_REFERENCE_PY = technique_py("def call(a, b):\n    return (a * b).sum()")
DOT_WRONG_PY = technique_py(
    """class Dot(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return (a * b).sum()

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g * b, -g * a

call = Dot.apply
"""
)


@pytest.fixture(scope="module")
def measure(tmp_path_factory: pytest.TempPathFactory) -> Measure:
    """Return what runs suites on implementations of a folder, and the run in memory."""

    def run(root: Path, *names: str, mode: str = "eager", suite: str = "gradients", dtype: str = "float32") -> RunData:
        chosen = {"suites": (suite,), "modes": (mode,), "devices": ("cpu",), "dtypes": (dtype,), "shapes": ()}
        chosen |= {"implementations": names}
        folder = RunFolder.create(tmp_path_factory.mktemp("reproduced"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(CompileAhead, "start", lambda *_: None)
            measure_here(folder, a_job(folder, chosen, implementations=(str(root),), only_mine=True, preset="standard"))
        catalog = describe_catalog(load([builtin_folder("implementations"), root]), ("cpu",))
        folder.write_description({"schema_version": 1, "run_id": folder.run_id, "complete": True, "catalog": catalog})
        return RunData.load(folder)

    return run


def numbers(said: str) -> list[float]:
    """Return the first number of each line that shows one."""
    found = (re.search(r"(-?\d+\.\d*(?:e[-+]?\d+)?)", line) for line in said.splitlines())
    return [float(each[1]) for each in found if each]


def evidence(run: RunData, metric: str, name: str = "") -> Evidence:
    """Return what shows the first fault that a metric tells of an implementation."""
    wrong = [
        record
        for record in run.records
        if record.verdict in WRONG
        and record.metric == metric
        and record.case.implementation == (name or record.case.implementation)
    ]
    found = evidence_of(run, faults_of(wrong)[0])
    assert found is not None
    return found


def printed(code: str, tmp_path: Path) -> str:
    """Return what the code prints as a script of its own."""
    script = tmp_path / "snippet.py"
    script.write_text(code, encoding="utf-8")
    done = python(str(script), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return done.stdout


KNOWN_WRONG = ROOT / "tests" / "known_wrong"


@pytest.fixture(scope="module")
def wrong(measure: Measure) -> RunData:
    names = ("sign_fault", "swapped_gradients", "input_mutated", "cotangent_mutated", "raises", "state_kept")
    return measure(KNOWN_WRONG, *names, "wrong_gradient_dtype", "chain_rule_forgotten", "empty_raises")


def test_a_wrong_gradient_is_shown_on_one_round_number(wrong: RunData, tmp_path: Path) -> None:
    found = evidence(wrong, "gradient_max_ulp", "sign_fault")
    assert re.fullmatch(r"x = 0\.\d+, cotangent 1 → gradient of x −1, right is 1", found.smallest)
    assert found.code.endswith("print(x.grad)  # expected [1]")
    assert printed(found.code, tmp_path).endswith("tensor([-1.])\n")


def test_a_function_of_two_inputs_is_shown_on_one_number_each(wrong: RunData, tmp_path: Path) -> None:
    found = evidence(wrong, "gradient_max_ulp", "swapped_gradients")
    told = re.fullmatch(r"a = (\S+), b = (\S+), cotangent 1 → gradient of a (\S+), right is (\S+)", found.smallest)
    assert told
    a, b, got, right = told.groups()
    assert (got, right) == (a, b)
    assert numbers(printed(found.code, tmp_path))[1] == pytest.approx(float(a.replace("−", "-")), rel=1e-2)


def test_a_call_that_writes_into_its_input_is_seen_to(wrong: RunData, tmp_path: Path) -> None:
    found = evidence(wrong, "overwritten", "input_mutated")
    assert re.search(r"print\(x\)  # was \[-\d.*\]$", found.code)
    assert "tensor([0.]" in printed(found.code, tmp_path).splitlines()[-1]


def test_a_backward_that_writes_into_its_cotangent_is_seen_to(wrong: RunData, tmp_path: Path) -> None:
    found = evidence(wrong, "overwritten", "cotangent_mutated")
    assert re.search(r"print\(grad_output_0\)  # was \[\S+\]$", found.code)
    assert float(re.findall(r"# was \[(.*)\]", found.code)[0]) == 1
    assert numbers(printed(found.code, tmp_path))[-1] != 1


def test_a_gradient_of_another_dtype_is_shown_before_autograd_makes_it_fit(wrong: RunData, tmp_path: Path) -> None:
    said = printed(evidence(wrong, "gradient_mended", "wrong_gradient_dtype").code, tmp_path)
    assert "dtype=torch.float64" in said


def test_what_raises_raises(wrong: RunData, tmp_path: Path) -> None:
    for name, message in (("raises", "this backward always raises"), ("empty_raises", "Expected reduction dim")):
        metric = "value_max_ulp" if name == "raises" else "gradient_max_ulp"
        found = evidence(wrong, metric, name)
        assert found.elements <= 1
        script = tmp_path / "raises.py"
        script.write_text(found.code, encoding="utf-8")
        assert message in python(str(script), cwd=tmp_path).stderr


def test_two_calls_that_disturb_each_other_are_both_made(wrong: RunData, tmp_path: Path) -> None:
    found = evidence(wrong, "gradient_max_ulp", "state_kept")
    assert found.smallest.startswith("2 calls, all forwards before the backwards: x = ")
    expected = [float(number) for number in re.findall(r"grad\)  # expected \[+([^]]*)", found.code)]
    said = [line for line in printed(found.code, tmp_path).splitlines() if "grad_fn" not in line]
    assert len(expected) == 2
    assert numbers("\n".join(said)) != pytest.approx(expected, rel=1e-3)


def test_each_nature_is_stored_once_whatever_the_number_of_its_records(wrong: RunData) -> None:
    stored = [found for found in wrong.reproductions if found.case.implementation == "sign_fault"]
    failed = [record for record in wrong.records if record.case.implementation == "sign_fault"]
    assert len([record for record in failed if record.verdict in WRONG]) > 10
    assert [(found.metric, found.labels) for found in stored] == [
        ("gradient_max_ulp", {"input": "x", "kind": "random"})
    ]


def test_it_adds_nothing_where_nothing_is_wrong(measure: Measure) -> None:
    run = measure(ROOT / "tests" / "known_right", dtype="float32")
    assert not [record for record in run.records if record.verdict in WRONG]
    assert run.reproductions == ()


def test_of_a_sum_every_element_that_takes_part_is_shown(measure: Measure, tmp_path: Path) -> None:
    root = write_function(tmp_path / "mine", "dot", function=DOT_PY, reference=DOT_REFERENCE_PY, wrong=DOT_WRONG_PY)
    found = evidence(measure(root), "gradient_max_ulp", "wrong")
    told = re.search(r"gradient of b (\S+), right is (\S+)$", found.smallest)
    assert told
    assert told[1] == f"−{told[2]}".replace("−−", "")
    assert found.code.count("expected") == 3
    assert numbers(printed(found.code, tmp_path))[2] == pytest.approx(float(told[1].replace("−", "-")), rel=1e-2)


@pytest.mark.slow
def test_what_is_wrong_under_torch_compile_alone_is_shown_under_it(measure: Measure, tmp_path: Path) -> None:
    found = evidence(measure(KNOWN_WRONG, "compiled_wrong", mode="compiled"), "gradient_max_ulp")
    assert "call = torch.compile(call, dynamic=False)\n" in found.code
    assert "torch.full((" in found.code
    assert found.code.endswith("print(x.grad)  # expected 300 times 0")
    assert numbers(printed(found.code, tmp_path))[-1] == -1


@pytest.mark.slow
def test_behaviours_are_shown_on_as_few_elements_as_show_them(measure: Measure, tmp_path: Path) -> None:
    names = ("vmap_rule_in_pairs", "mixed_term_lost")
    run = measure(ROOT / "tests" / "known_wrong_behavior", *names, suite="behavior")
    said = re.sub(r",\n", ",", printed(evidence(run, "vmap", names[0]).code, tmp_path))
    batched = re.sub(r"\n +", " ", said).splitlines()
    lines = [[float(number) for number in re.findall(r"-?\d+\.\d+", line)] for line in batched]
    apart = [one != other for one, other in zip(lines[::2], lines[1::2], strict=True)]
    assert apart == [False, True, True]  # by both inputs, by the first alone, by the second alone
    twice = printed(evidence(run, "double_backward", names[1]).code, tmp_path).splitlines()
    assert len(twice) == 2
    got, right = ([float(number) for number in re.findall(r"-?\d+\.\d*(?:e-?\d+)?", line)] for line in twice)
    assert got != pytest.approx(right, rel=1e-2)


def test_a_snippet_needs_nothing_but_the_implementation_s_folder(wrong: RunData, tmp_path: Path) -> None:
    code = evidence(wrong, "gradient_max_ulp", "sign_fault").code
    folder = tmp_path / "relu"
    shutil.copytree(KNOWN_WRONG / "relu", folder)
    moved = code.replace(str(KNOWN_WRONG), str(tmp_path))
    assert moved != code
    assert "-1." in printed(moved, tmp_path)
