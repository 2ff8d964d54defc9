"""What a stranger's folder may hold: each is named as broken or fails, and what stands beside it is measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
GOOD = {
    "function.py": """
from gradgauge.model import Function

FUNCTION = Function(formula="2x", derivative="2", source="a test", gradient_scale=2.0)
""",
    "reference.py": """
from gradgauge.model import Implementation

IMPLEMENTATION = Implementation(call=lambda x: 2 * x)
""",
}


def folder(parent: Path, name: str, **changed: str) -> None:
    """Write a function folder: the good one with some files changed."""
    place = parent / name
    place.mkdir(parents=True)
    for file, text in GOOD.items():
        (place / file).write_text(changed.pop(file.removesuffix(".py"), text), encoding="utf-8")
    for technique, text in changed.items():
        (place / f"{technique}.py").write_text(text, encoding="utf-8")


def bench(tmp_path: Path, *arguments: str) -> tuple[int, str, dict[str, Any], list[dict[str, Any]]]:
    """Return exit status, output, run.json and records of an eager gradients run over `tmp_path / mine`."""
    chosen = ["--preset", "quick", "--limit", "none", "--mode", "eager", "--suite", "gradients", "--dtype", "float32"]
    command = [sys.executable, "-m", "gradgauge", "bench", *chosen, "--implementations", str(tmp_path / "mine")]
    done = subprocess.run(
        [*command, "--only-mine", "--results", str(tmp_path / "results"), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    run = next(tmp_path.glob("results/runs/2*"))
    records = [json.loads(line) for line in (run / "records.jsonl").read_text(encoding="utf-8").splitlines()]
    return done.returncode, done.stdout + done.stderr, json.loads((run / "run.json").read_text("utf-8")), records


def passed(records: list[dict[str, Any]], function: str) -> bool:
    """Whether the function was judged, and well."""
    found = {record["verdict"] for record in records if record["function"] == function}
    return "pass" in found and "fail" not in found


BAD_DEFINITIONS = {
    "shapes": 'shapes={"quick": ("3y4",)}',
    "inputs_of_a_shape": 'shapes={"quick": ("3,4",)}',
    "breakpoints": 'breakpoints=(float("nan"),)',
    "curve": 'curve=(-float("inf"), float("inf"))',
    "kinks": "kinks=(1,)",
    "edges": 'edges=("a",)',
    "scale": "gradient_scale=None",
    "inputs": 'inputs="x"',
}


@pytest.mark.slow
def test_a_bad_value_breaks_its_own_file_and_nothing_else(tmp_path: Path) -> None:
    for name, field in BAD_DEFINITIONS.items():
        text = GOOD["function.py"].replace("gradient_scale=2.0", field)
        folder(tmp_path / "mine", name, function=text)
    bad = "from gradgauge.model import Implementation\n\nIMPLEMENTATION = Implementation(call=abs, %s)\n"
    techniques = {"needs": 'requires="triton"', "slope": 'convention={"x = 0": "one"}', "none": "convention=None"}
    folder(tmp_path / "mine", "good", **{key: bad % field for key, field in techniques.items()})
    status, output, run, records = bench(tmp_path)
    assert status == 1
    files = [Path(entry["file"]) for entry in run["catalog"]["broken"] if entry["line"]]
    broken = {file.parent.name if file.stem == "function" else file.stem for file in files}
    assert broken == {*BAD_DEFINITIONS, *techniques}
    assert all(f"{name}" in output for name in broken)
    assert passed(records, "good")


@pytest.mark.slow
def test_a_reference_that_raises_is_a_failure_and_costs_only_its_function(tmp_path: Path) -> None:
    raising = """
from gradgauge.model import Implementation


def call(x):
    raise ValueError("no")


IMPLEMENTATION = Implementation(call=call)
"""
    folder(tmp_path / "mine", "bad", reference=raising)
    folder(tmp_path / "mine", "good")
    status, output, _, records = bench(tmp_path)
    assert status == 1
    assert "the reference raised ValueError: no" in output
    assert {record["verdict"] for record in records if record["function"] == "bad"} == {"fail"}
    assert passed(records, "good")


@pytest.mark.slow
def test_a_keyboard_interrupt_in_somebodys_code_is_a_failure_like_any_other(tmp_path: Path) -> None:
    interrupting = """
from gradgauge.model import Implementation


def call(x):
    raise KeyboardInterrupt


IMPLEMENTATION = Implementation(call=call)
"""
    folder(tmp_path / "mine", "good", interrupting=interrupting, zealous="raise KeyboardInterrupt\n")
    status, output, run, records = bench(tmp_path)
    assert status == 1
    assert run["complete"]
    assert "raised KeyboardInterrupt" in output
    assert [Path(entry["file"]).stem for entry in run["catalog"]["broken"]] == ["zealous"]
    fine = [record for record in records if record["implementation"] == "reference"]
    assert passed(fine, "good")
