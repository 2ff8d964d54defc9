"""Planted faults of behaviour: each turns exactly its own cells red, and none once mended; what is right turns none.

A file `known_wrong_behavior/<function>/<fault>.py` says:

    WRONG  True; the same code with False is right.
    RED    the behaviours that must fail; no other may.
    GREY   the behaviours that must be unsupported, or a group of them (below); no other may.
    SAYS   words that the reason of a red one must hold.

and a file of `known_right_behavior`, which turns no cell red, says GREY alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gradgauge.attempts import Failure
from gradgauge.behavior.process import put_back
from gradgauge.behavior.subject import Subject
from gradgauge.behavior.table import NAMES, in_order, try_behavior
from gradgauge.catalog import Catalog, load, scan
from gradgauge.loading import load_module
from gradgauge.records import Verdict
from tests.fakes import ROOT, a_subject

KNOWN_WRONG, KNOWN_RIGHT = ROOT / "tests" / "known_wrong_behavior", ROOT / "tests" / "known_right_behavior"
GROUPS = {"functorch": ("jvp", "func_grad", "vmap", "vmap_grad")}  # a Function whose forward takes ctx supports none
CAPTURING = {"fullgraph", "dynamic_shapes", "export", "opcheck"}
"""Each takes some tenths of a second: where none of them is to fail, they are left to the slow tests."""
ON_ACCELERATORS = {"side_stream", "cuda_graph"}
DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Told:
    """What a file says of itself; groups taken apart."""

    function: str
    name: str
    red: frozenset[str]
    grey: frozenset[str]
    says: str

    @property
    def quick(self) -> set[str]:
        """What is tried in the fast tests."""
        return set(NAMES) - (CAPTURING - self.red)


def read(file: Path) -> Told:
    module = load_module(file, copy="_read")
    red = frozenset(getattr(module, "RED", ()))
    grey = frozenset(name for said in module.GREY for name in GROUPS.get(said, (said,)))
    assert red | grey <= set(NAMES), file
    return Told(file.parent.name, file.stem, red, grey, getattr(module, "SAYS", ""))


def techniques(root: Path) -> Iterator[Path]:
    for sources in scan([root])[0].values():
        yield from (file for name, file in sources.techniques.items() if name != "reference")


with put_back():  # one of them switches something on when it is loaded
    FAULTS = [read(file) for file in techniques(KNOWN_WRONG)]
RIGHT = [read(file) for file in techniques(KNOWN_RIGHT)]

every_fault = pytest.mark.parametrize("fault", [pytest.param(f, id=f"{f.function}-{f.name}") for f in FAULTS])
every_right = pytest.mark.parametrize("right", [pytest.param(r, id=f"{r.function}-{r.name}") for r in RIGHT])


def loaded(root: Path) -> Catalog:
    with put_back():
        catalog = load([root])
    assert not catalog.broken
    return catalog


@pytest.fixture(scope="module")
def wrong() -> Catalog:
    return loaded(KNOWN_WRONG)


@pytest.fixture(scope="module")
def right_ones() -> Catalog:
    return loaded(KNOWN_RIGHT)


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Return known_wrong with every fault mended."""
    root = tmp_path_factory.mktemp("mended") / "implementations"
    shutil.copytree(KNOWN_WRONG, root, ignore=shutil.ignore_patterns("__pycache__"))
    for file in techniques(root):
        text = file.read_text(encoding="utf-8")
        assert text.count("\nWRONG = True\n") == 1, file
        file.write_text(text.replace("\nWRONG = True\n", "\nWRONG = False\n"), encoding="utf-8")
    return loaded(root)


def verdicts(subject: Callable[[], Subject], names: set[str]) -> dict[str, Failure]:
    with put_back():
        made = subject()
        return {each.name: try_behavior(each, made) for each in in_order() if each.name in names}


def of(catalog: Catalog, told: Told, names: set[str], dtype: str = "float32") -> dict[str, Failure]:
    """Return the verdicts on a file's call, run eagerly."""
    return verdicts(lambda: a_subject(catalog.functions[told.function], told.name, dtype=dtype), names)


def those(found: dict[str, Failure], verdict: Verdict) -> dict[str, str]:
    return {name: failure.detail for name, failure in found.items() if failure.verdict == verdict}


# --- what is wrong --------------------------------------------------------------------------------------------------


def expect_exactly(found: dict[str, Failure], fault: Told) -> None:
    red = those(found, Verdict.FAIL)
    assert set(red) == fault.red, red
    assert [detail for detail in red.values() if fault.says in detail], red
    grey = those(found, Verdict.UNSUPPORTED)
    assert set(grey) == fault.grey & set(found), grey


def expect_mended(found: dict[str, Failure], fault: Told) -> None:
    assert those(found, Verdict.FAIL) == {}
    assert fault.red <= set(those(found, Verdict.PASS))


@every_fault
def test_a_fault_turns_exactly_its_cells_red(wrong: Catalog, fault: Told) -> None:
    assert fault.red
    assert fault.says
    expect_exactly(of(wrong, fault, fault.quick), fault)


@every_fault
def test_a_mended_fault_passes_where_it_was_red_and_fails_nowhere(mended: Catalog, fault: Told) -> None:
    expect_mended(of(mended, fault, fault.quick), fault)


@pytest.mark.slow
@every_fault
def test_what_is_captured_is_as_red_and_grey_as_it_says(wrong: Catalog, mended: Catalog, fault: Told) -> None:
    expect_exactly(of(wrong, fault, set(NAMES)), fault)
    expect_mended(of(mended, fault, set(NAMES)), fault)


def test_every_behaviour_that_a_cpu_can_fail_has_a_fault() -> None:
    assert {name for fault in FAULTS for name in fault.red} == set(NAMES) - ON_ACCELERATORS


# --- what is right --------------------------------------------------------------------------------------------------


def expect_right(found: dict[str, Failure], right: Told, dtype: str) -> None:
    assert those(found, Verdict.FAIL) == {}
    grey = those(found, Verdict.UNSUPPORTED)
    asked = set(found) - ({"autocast"} if dtype != "float32" else set())
    assert set(grey) == right.grey & asked, grey


@pytest.mark.parametrize("dtype", DTYPES)
@every_right
def test_what_is_right_but_unusual_is_nowhere_red(right_ones: Catalog, right: Told, dtype: str) -> None:
    expect_right(of(right_ones, right, right.quick, dtype), right, dtype)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@every_right
def test_nor_is_it_where_it_is_captured(right_ones: Catalog, right: Told, dtype: str) -> None:
    expect_right(of(right_ones, right, set(NAMES), dtype), right, dtype)


def test_every_behaviour_that_can_be_unsupported_is_so_of_something_right() -> None:
    never = {"opcheck", "global_state", "inputs_unchanged", "saved_unchanged", "no_alias", "in_place_change"}
    never |= {"released", "repeatable", "threads", *ON_ACCELERATORS}
    assert {name for right in RIGHT for name in right.grey} == set(NAMES) - never


@pytest.mark.parametrize(
    ("function", "name", "behavior"),
    [
        ("tanh", "reference", "opcheck"),
        ("tanh", "reference", "needs_input_grad"),
        ("tanh", "reference", "side_stream"),
        ("tanh", "reference", "cuda_graph"),
        ("positive_count", "reference", "double_backward"),
        ("positive_count", "reference", "vmap_grad"),
        ("positive_count", "reference", "retained_graph"),
        ("positive_count", "reference", "saved_unchanged"),
    ],
)
def test_where_a_question_does_not_arise_it_is_not_applicable(
    right_ones: Catalog, function: str, name: str, behavior: str
) -> None:
    told = Told(function, name, frozenset(), frozenset(), "")
    assert set(those(of(right_ones, told, {behavior}), Verdict.NOT_APPLICABLE)) == {behavior}


@pytest.mark.slow
def test_compiled_code_that_cannot_be_differentiated_twice_is_unsupported_and_not_wrong(right_ones: Catalog) -> None:
    entry = right_ones.functions["gate"]
    found = verdicts(lambda: a_subject(entry, "einsum", mode="compiled"), set(NAMES))
    assert those(found, Verdict.FAIL) == {}
    assert set(those(found, Verdict.UNSUPPORTED)) == {"double_backward", "copies"}
