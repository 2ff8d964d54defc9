"""What imports what: the promise that a report can be built, and a command line started, without torch."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from gradgauge.catalog import builtin_folder
from tests.fakes import ROOT, python

WITHOUT_TORCH = (
    "gradgauge.cases",
    "gradgauge.examples",
    "gradgauge.snippets",
    "gradgauge.model",
    "gradgauge.records",
    "gradgauge.statistics",
    "gradgauge.runs",
    "gradgauge.grid",
    "gradgauge.job",
    "gradgauge.journal",
    "gradgauge.steps",
    "gradgauge.catalog",
    "gradgauge.loading",
    "gradgauge.supervisor",
    "gradgauge.bench",
    "gradgauge.terminal",
    "gradgauge.cli",
    "gradgauge.gate.session",
    "gradgauge.gate.commands",
    "gradgauge.gate.sequence",
    "gradgauge.gate.calibration",
    "gradgauge.gate.markdown",
    "gradgauge.gate.junit",
    "gradgauge.gate.terminal",
    "gradgauge.plugin",
    "gradgauge.worker",
    "gradgauge.traces",
    "gradgauge.viewer",
    "gradgauge.tensorboard_server",
)


def loaded_by(statement: str, tmp_path: Path) -> set[str]:
    done = python("-c", f"{statement}\nimport sys; print(*sys.modules)", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_module_imports_no_torch(module: str, tmp_path: Path) -> None:
    loaded = loaded_by(f"import {module}", tmp_path)
    assert module in loaded
    assert "torch" not in loaded


@pytest.mark.slow
def test_no_module_of_the_report_imports_torch(tmp_path: Path) -> None:
    files = (ROOT / "gradgauge" / "report").rglob("*.py")
    names = sorted(".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files)
    loaded = loaded_by(f"import importlib\nfor name in {names!r}: importlib.import_module(name)", tmp_path)
    assert "gradgauge.report.page" in loaded
    assert "torch" not in loaded


def test_the_command_line_starts_without_what_draws(tmp_path: Path) -> None:
    assert not {"pandas", "seaborn", "matplotlib", "torch"} & loaded_by("import gradgauge.cli", tmp_path)


def imports_of(file: Path) -> set[str]:
    """Return the modules that a file imports anywhere; a relative import as its dots."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return found


FILES = sorted(builtin_folder("implementations").rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_an_implementation_imports_torch_mpmath_and_the_model_and_never_a_sibling(file: Path) -> None:
    ours = {name for name in imports_of(file) if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name for name in ours if name.partition(".")[0] != "torch"} <= {"gradgauge.model", "mpmath"}


def test_there_are_implementations_to_look_at() -> None:
    assert len(FILES) >= 14


@pytest.mark.parametrize("file", sorted((ROOT / "gradgauge").glob("*.py")), ids=lambda file: file.stem)
def test_the_engine_imports_neither_suites_nor_implementations(file: Path) -> None:
    assert not [name for name in imports_of(file) if name.startswith(("suites", "implementations", "tests", "."))]
