"""What the planning process finds of both sides: what cannot share a process, and what is shared unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradgauge.cases import Case
from gradgauge.gate.pair_job import PairJob
from gradgauge.gate.planning import Plan
from gradgauge.gate.processes import NoPlan, Processes
from gradgauge.gate.sequence import Pairs
from gradgauge.grid import Selection
from tests.fakes import technique_py, write_function
from tests.test_gate_trees import TWICE

OPERATOR = technique_py(
    '@torch.library.custom_op("gate_planning::NAME", mutates_args=())\n'
    "def call(x: torch.Tensor) -> torch.Tensor:\n    return 2 * x\n"
)


def job(before: Path, after: Path, *names: str, **selection: tuple[str, ...]) -> PairJob:
    chosen = Selection(devices=selection.pop("devices", ("cpu",)), modes=("eager",), **selection)
    techniques = tuple(("twice", name, name) for name in names)
    return PairJob((str(before),), (str(after),), techniques, "quick", chosen, 0, None, 0.05, {})


def plan(given: PairJob) -> Plan:
    return Processes(given, 120.0).plan()


def test_what_loads_on_both_sides_is_planned(tmp_path: Path) -> None:
    before = write_function(tmp_path / "a", mine=TWICE, broken="def (")
    after = write_function(tmp_path / "b", mine=TWICE, broken=TWICE)
    found = plan(job(before, after, "mine", "broken", passes=("forward",)))
    assert found.cases == (Case("twice", "mine", "eager", "forward", "cpu", "float32", "8"),)
    assert found.loaded == {
        "baseline": (("twice", "mine"),),
        "candidate": (("twice", "mine"), ("twice", "broken")),
    }
    ((file, why),) = found.broken["baseline"]
    assert (Path(file).name, "SyntaxError" in why) == ("broken.py", True)
    assert not found.twice


def test_an_operator_that_both_define_is_found_and_its_technique_not_timed(tmp_path: Path) -> None:
    ours = {"mine": OPERATOR.replace("NAME", "same"), "other": OPERATOR.replace("NAME", "old"), "plain": TWICE}
    before = write_function(tmp_path / "a", **ours)
    after = write_function(tmp_path / "b", **(ours | {"other": OPERATOR.replace("NAME", "new")}))
    found = plan(job(before, after, "mine", "other", "plain"))
    assert found.twice == (("gate_planning::same", ("twice", "mine")),)
    assert {case.implementation for case in found.cases} == {"other", "plain"}


def test_modules_that_both_sides_import_by_name_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gate_helpers.py").write_text("factor = 2\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    text = TWICE.replace("import torch\n", "import torch\nimport gate_helpers\n")
    before, after = write_function(tmp_path / "a", mine=text), write_function(tmp_path / "b", mine=text)
    assert str((tmp_path / "gate_helpers.py").resolve()) in plan(job(before, after, "mine")).imported


def test_what_a_file_prints_while_it_loads_is_no_answer(tmp_path: Path) -> None:
    text = TWICE.replace("import torch\n", "import torch\nprint('hello from a file', flush=True)\n")
    before, after = write_function(tmp_path / "a", mine=text), write_function(tmp_path / "b", mine=text)
    processes = Processes(job(before, after, "mine", passes=("forward",)), 120.0)
    (case,) = processes.plan().cases
    found = processes.pairs([case])[case]
    assert isinstance(found, Pairs)
    assert len(found.logs) >= 7


def test_a_device_that_is_not_there_is_no_plan(tmp_path: Path) -> None:
    root = write_function(tmp_path / "a", mine=TWICE)
    with pytest.raises(NoPlan, match="--device 'xyz' is not on this machine"):
        plan(job(root, root, "mine", devices=("xyz",)))


def test_a_file_that_ends_the_process_is_no_plan(tmp_path: Path) -> None:
    root = write_function(tmp_path / "a", mine="import os\nos._exit(3)\n")
    with pytest.raises(NoPlan, match="status 3"):
        plan(job(root, root, "mine"))
