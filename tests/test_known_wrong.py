"""Planted faults: each turns exactly its own cells red, and none once mended; what is right but unusual turns none.

A cell is a judged metric with a kind of input, or with a kink. A file `known_wrong/<function>/<fault>.py` says:

    WRONG     True; the same code with False is right.
    RED       metric → the kinds (or groups of kinds, below) under which it must fail; it must fail in no other cell.
    SAYS      words that the detail of a red cell must hold; may be left out.
    WHERE     the mode and dtype in which all of that holds; eager float32 where it is left out.
    RIGHT_IN  modes and dtypes in which the fault does not show; may be left out.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gradgauge.ahead import CompileAhead
from gradgauge.cases import DTYPES
from gradgauge.catalog import scan
from gradgauge.gradient_metrics import JUDGED, KINK_SLOPE
from gradgauge.loading import load_module
from gradgauge.runs import RunFolder
from tests.fakes import ROOT, Line, Measured, a_job, measure_here

KNOWN_WRONG, KNOWN_RIGHT = ROOT / "tests" / "known_wrong", ROOT / "tests" / "known_right"
USUAL = "eager float32"
METRICS = {metric.name for metric in (*JUDGED, KINK_SLOPE)}

COTANGENT_LAYOUTS = tuple(
    f"{layout} cotangent" for layout in ("transposed", "strided", "sliced", "channels-last", "repeated")
)
INPUT_LAYOUTS = tuple(f"{layout} input" for layout in ("transposed", "strided", "sliced", "channels-last", "expanded"))
COTANGENT_SIZES = ("large cotangent", "small cotangent")
GROUPS = {
    "every element": ("random", "far", "kinks", "edges", "nonfinite"),
    "every cotangent layout": COTANGENT_LAYOUTS,
    "every input layout": INPUT_LAYOUTS,
    # Not the zero cotangent, to which most wrong gradients are zero as well, nor what only several inputs have.
    "every call": (*COTANGENT_LAYOUTS, *COTANGENT_SIZES, *INPUT_LAYOUTS, "interleaved", "0-d", "ranks"),
}
# Other inputs would need other code.
NOT_COMPILED = {*INPUT_LAYOUTS, "channels-last cotangent", "0-d", "empty", "ranks", "no gradient"}

Cell = tuple[str, str]
Judge = Callable[[Path, str], Measured]


@dataclass(frozen=True)
class Fault:
    """What a file of known_wrong says of itself; red: the cells, groups taken apart."""

    function: str
    name: str
    red: frozenset[Cell]
    says: str
    where: str
    right_in: tuple[str, ...]


def read_fault(file: Path) -> Fault:
    module = load_module(file)
    said = [(metric, kind) for metric, kinds in module.RED.items() for kind in kinds]
    red = frozenset((metric, kind) for metric, name in said for kind in GROUPS.get(name, (name,)))
    where = getattr(module, "WHERE", USUAL)
    return Fault(file.parent.name, file.stem, red, getattr(module, "SAYS", ""), where, getattr(module, "RIGHT_IN", ()))


def techniques(root: Path) -> Iterator[Path]:
    for sources in scan([root])[0].values():
        yield from (file for name, file in sources.techniques.items() if name != "reference")


FAULTS = [read_fault(file) for file in techniques(KNOWN_WRONG)]
RIGHT = [(file.parent.name, file.stem) for file in techniques(KNOWN_RIGHT)]


def each(places: Callable[[Fault], tuple[str, ...]]) -> pytest.MarkDecorator:
    """Run a test for every fault in each of its places; what is compiled takes seconds."""
    return pytest.mark.parametrize(
        ("fault", "place"),
        [
            pytest.param(
                fault,
                place,
                id=f"{fault.function}-{fault.name}-{place}",
                marks=[pytest.mark.slow] if place.startswith("compiled") else [],
            )
            for fault in FAULTS
            for place in places(fault)
        ],
    )


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of known_wrong in which every fault is mended."""
    root = tmp_path_factory.mktemp("mended") / "implementations"
    shutil.copytree(KNOWN_WRONG, root, ignore=shutil.ignore_patterns("__pycache__"))
    for file in techniques(root):
        wrong = file.read_text(encoding="utf-8")
        assert wrong.count("\nWRONG = True\n") == 1, file
        file.write_text(wrong.replace("\nWRONG = True\n", "\nWRONG = False\n"), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Return what runs the gradients suite on a folder in one mode and dtype, once each."""
    found: dict[tuple[Path, str], Measured] = {}

    def judge(root: Path, place: str) -> Measured:
        if (root, place) not in found:
            mode, dtype = place.split()
            chosen: dict[str, tuple[str, ...]] = {
                "suites": ("gradients",),
                "modes": (mode,),
                "devices": ("cpu",),
                "shapes": ("48x48",),
                "dtypes": (dtype,),
            }
            if root != KNOWN_RIGHT:
                chosen["implementations"] = tuple({f.name for f in FAULTS if place in (f.where, *f.right_in)})
            folder = RunFolder.create(tmp_path_factory.mktemp("judged"))
            job = a_job(folder, chosen, implementations=(str(root),), only_mine=True)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(CompileAhead, "start", lambda *_: None)  # a second process saves nothing here
                found[root, place] = measure_here(folder, job)
        return found[root, place]

    return judge


def lines_of(measured: Measured, function: str, name: str) -> list[Line]:
    keys = {"function": function, "implementation": name}
    return [line for line in measured.records if all(line[key] == value for key, value in keys.items())]


def cells(lines: list[Line], *verdicts: str) -> set[Cell]:
    """Return the cells that have these verdicts."""
    judged = [line for line in lines if line["metric"] in METRICS and line["verdict"] in verdicts]
    return {(line["metric"], line["labels"].get("kind") or line["labels"]["kink"]) for line in judged}


def cells_of_reference(measured: Measured, function: str) -> set[Cell]:
    return cells(lines_of(measured, function, "reference"), "pass")


def failed(lines: list[Line]) -> list[tuple[str, dict[str, str], str]]:
    """Return what failed, the places of the atlas among it, with the reason."""
    return [(line["metric"], line["labels"], line["detail"]) for line in lines if line["verdict"] == "fail"]


# --- what is wrong --------------------------------------------------------------------------------------------------


@each(lambda fault: (fault.where,))
def test_a_fault_turns_exactly_its_cells_red(judged: Judge, fault: Fault, place: str) -> None:
    lines = lines_of(judged(KNOWN_WRONG, place), fault.function, fault.name)
    assert cells(lines, "fail") == fault.red
    assert fault.red
    assert [detail for _, _, detail in failed(lines) if fault.says in detail]


@each(lambda fault: fault.right_in)
def test_where_a_fault_does_not_show_nothing_is_red(judged: Judge, fault: Fault, place: str) -> None:
    measured = judged(KNOWN_WRONG, place)
    lines = lines_of(measured, fault.function, fault.name)
    assert failed(lines) == []
    assert cells(lines, "pass", "unsupported") == cells_of_reference(measured, fault.function)


@each(lambda fault: (fault.where,))
def test_a_mended_fault_passes_in_every_cell_that_the_reference_passes_in(
    judged: Judge, mended: Path, fault: Fault, place: str
) -> None:
    measured = judged(mended, place)
    lines = lines_of(measured, fault.function, fault.name)
    assert failed(lines) == []
    wanted = cells_of_reference(measured, fault.function)
    if place.startswith("compiled"):
        wanted = {(metric, kind) for metric, kind in wanted if kind not in NOT_COMPILED}
    assert cells(lines, "pass") == wanted
    assert len(wanted) > 20


def test_every_metric_and_every_kind_has_a_fault_that_nothing_else_would_find(judged: Judge) -> None:
    assert {metric for fault in FAULTS for metric, _ in fault.red} == METRICS
    measured = [judged(KNOWN_WRONG, USUAL), judged(KNOWN_WRONG, "eager float64")]
    judged_cells = {cell for each in measured for function in FUNCTIONS for cell in cells_of_reference(each, function)}
    kinds = {kind for metric, kind in judged_cells if metric != KINK_SLOPE.name}
    reddened = [{kind for metric, kind in fault.red if metric != KINK_SLOPE.name} for fault in FAULTS]
    assert kinds - {"random"} == set[str]().union(*(each for each in reddened if "random" not in each))


FUNCTIONS = sorted({fault.function for fault in FAULTS})


# --- what is right --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("function", "name"), RIGHT)
def test_what_is_right_but_unusual_stays_green(judged: Judge, function: str, name: str, dtype: str) -> None:
    measured = judged(KNOWN_RIGHT, f"eager {dtype}")
    lines = lines_of(measured, function, name)
    assert failed(lines) == []
    assert cells(lines, "pass", "unsupported") == cells_of_reference(measured, function)


def test_only_a_backward_that_refuses_to_be_differentiated_is_unsupported(judged: Judge) -> None:
    lines = [line for line in judged(KNOWN_RIGHT, "eager float64").records if line["verdict"] == "unsupported"]
    assert [(line["implementation"], line["metric"]) for line in lines] == [("once_differentiable", "gradgradcheck")]
    assert "double backward" in lines[0]["detail"]
