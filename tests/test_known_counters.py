"""Planted costs: each moves its own counter, what hangs on it by nature, and nothing else.

A file `known_counters/<function>/<technique>.py` says:

    PLANTED   True; the same code with False is its clean twin.
    OWN       the counter that it is planted in.
    MOVES     mode, pass and metric (and role, of what is kept) → by how much it differs from its clean twin; everything
              else that the suites `memory` and `counters` find is the same.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from gradgauge.loading import load_module
from gradgauge.runs import RunFolder
from tests.fakes import ROOT, Measured, a_job, measure_here

pytestmark = pytest.mark.slow

FOLDER = ROOT / "tests" / "known_counters" / "square"
COUNTERS = {"saved_extra_bytes", "operators", "graph_breaks", "recompiles"}
CLEAN = "_clean"
PLANTED = sorted(file.stem for file in FOLDER.glob("*.py") if file.stem not in ("function", "reference"))


@dataclass(frozen=True)
class Found:
    """What was measured of the planted techniques and their clean twins."""

    measured: Measured

    def values(self, technique: str) -> Counter[str]:
        """Return mode, pass and metric (and role) → value, those of several labels together."""
        values: Counter[str] = Counter()
        for line in self.measured.records:
            if line["implementation"] == technique and line["value"] is not None:
                role = [line["labels"]["role"]] if line["metric"] == "kept_bytes" else []
                values[" ".join([line["mode"], line["pass"], line["metric"], *role])] += line["value"]
        return values

    def moved(self, technique: str) -> dict[str, int]:
        planted, clean = self.values(technique), self.values(technique + CLEAN)
        return {key: planted[key] - clean[key] for key in planted | clean if planted[key] != clean[key]}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    root = tmp_path_factory.mktemp("planted")
    mine = Path(shutil.copytree(FOLDER, root / FOLDER.name, ignore=shutil.ignore_patterns("__pycache__")))
    for name in PLANTED:
        text = (mine / f"{name}.py").read_text(encoding="utf-8")
        assert text.count("PLANTED = True\n") == 1
        clean = text.replace("PLANTED = True\n", "PLANTED = False\n")
        (mine / f"{name}{CLEAN}.py").write_text(clean, encoding="utf-8")
    folder = RunFolder.create(root)
    selection = {
        "suites": ("memory", "counters"),
        "shapes": ("64x64",),
        "devices": ("cpu",),
        "functions": (FOLDER.name,),
        "implementations": tuple(name + suffix for name in PLANTED for suffix in ("", CLEAN)),
    }
    return Found(
        measure_here(folder, a_job(folder, selection, implementations=(str(root),), only_mine=True, preset="standard"))
    )


@pytest.fixture(params=PLANTED)
def planted(request: pytest.FixtureRequest) -> ModuleType:
    return load_module(FOLDER / f"{request.param}.py")


def test_each_counter_has_something_planted() -> None:
    assert {load_module(FOLDER / f"{name}.py").OWN for name in PLANTED} == COUNTERS


def test_everything_was_measured(found: Found) -> None:
    assert not [line for line in found.measured.records if line["verdict"] not in ("measured", "not-applicable")]
    for name in PLANTED:
        assert {key.split()[2] for key in found.values(name)} >= COUNTERS
        assert len(found.values(name)) >= 30


def test_what_is_planted_moves_what_its_file_says_and_nothing_else(found: Found, planted: ModuleType) -> None:
    assert found.moved(Path(str(planted.__file__)).stem) == planted.MOVES


def test_of_the_counters_it_moves_its_own_alone(found: Found, planted: ModuleType) -> None:
    moved = {tuple(key.split()) for key in found.moved(Path(str(planted.__file__)).stem)}
    # Where a graph breaks, compiled code leaves more to autograd's engine, whose operators count.
    counters = {metric for mode, _, metric, *_ in moved if mode == "eager" or metric != "operators"}
    assert counters & COUNTERS == {planted.OWN}


def test_the_place_of_a_graph_break_is_told_with_its_reason(found: Found) -> None:
    (line,) = found.measured.find("graph_break")
    text = (FOLDER / "breaks_its_graph.py").read_text(encoding="utf-8").splitlines()
    number = text.index("        torch._dynamo.graph_break()") + 1
    assert (line["implementation"], line["mode"], line["value"]) == ("breaks_its_graph", "compiled", 1)
    assert line["labels"] == {"at": f"call, breaks_its_graph.py:{number}"}
    assert "torch._dynamo.graph_break()" in line["detail"]


def test_the_shapes_that_were_captured_anew_are_told(found: Found) -> None:
    details = {line["implementation"]: line["detail"] for line in found.measured.find("recompiles")}
    met = "; met in turn: 64x64 · 63x63 · 62x62 · 61x61 · 32x48"
    assert details["looks_sizes_up"] == f"captured anew for 63x63 · 62x62 · 61x61 · 32x48{met}"
    assert details["looks_sizes_up_clean"] == f"captured anew for 63x63{met}"


def test_the_operator_too_many_is_told_by_name(found: Found) -> None:
    details = {
        line["implementation"]: line["detail"]
        for line in found.measured.find("operators", mode="eager", pass_="inference")
    }
    assert details["dispatches_one_more"] == "1 aten::add, 1 aten::detach, 1 aten::mul"
    assert details["dispatches_one_more_clean"] == "1 aten::add, 1 aten::mul"
