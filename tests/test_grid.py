from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from gradgauge.cases import Case
from gradgauge.grid import PRESETS, Selection, Suite, Sweep, layout_fits, left_out_by_preset, plan
from gradgauge.records import Metric
from tests.fakes import a_function, an_entry

METRIC = Metric("m", "s", "lower", exact=False)
SHAPES = {"quick": ("8",), "standard": ("8", "16"), "full": ("8", "16", "32")}
ONE = an_entry(a_function(shapes=SHAPES), "one", reference=abs, where=abs)
TWO = an_entry(a_function(shapes=SHAPES, inputs=("a", "b")), "two", reference=abs)


def a_suite(*sweeps: Sweep, **fields: Any) -> Suite:
    return Suite("Is it?", (METRIC,), dict.fromkeys(PRESETS, sweeps), **fields)


def names(cases: list[Case]) -> set[tuple[str, str, str]]:
    return {(case.function, case.implementation, case.mode) for case in cases}


FORWARD = a_suite(Sweep(("forward",)))


def planned(suite: Suite = FORWARD, preset: str = "quick", **chosen: Any) -> list[Case]:
    return plan(suite, preset, Selection(**chosen), [ONE, TWO], ("cpu",))


def test_every_implementation_meets_every_mode() -> None:
    techniques = {("one", "reference"), ("one", "where"), ("two", "reference")}
    assert names(planned()) == {(*pair, mode) for pair in techniques for mode in ("eager", "compiled")}


def test_a_larger_preset_adds_shapes_and_takes_none_away() -> None:
    quick, standard, full = (set(planned(preset=preset)) for preset in PRESETS)
    assert quick < standard < full
    assert {case.shape for case in full} == {"8", "16", "32", "8,8", "16,16", "32,32"}


def test_the_cases_of_a_block_stand_side_by_side() -> None:
    cases = planned(a_suite(Sweep(("forward", "backward"), dtypes=("float32", "float16"))), "full")
    blocks = [case.block for case in cases]
    assert sum(first != second for first, second in pairwise(blocks)) == len(set(blocks)) - 1


def test_where_eager_comes_first_cases_on_the_same_tensors_stand_side_by_side_in_each_mode() -> None:
    suite = a_suite(Sweep(("forward", "backward"), dtypes=("float32", "float16")), eager_first=True)
    keys = [(case.mode, case.tensors) for case in planned(suite, "full")]
    assert sum(first != second for first, second in pairwise(keys)) == len(set(keys)) - 1


def test_where_the_suite_asks_for_it_nothing_compiled_comes_before_what_is_eager() -> None:
    modes = [case.mode for case in planned(a_suite(Sweep(("forward",)), eager_first=True), "standard")]
    assert modes == sorted(modes, reverse=True)
    assert set(modes) == {"eager", "compiled"}
    assert set(planned(a_suite(Sweep(("forward",)), eager_first=True))) == set(planned())


def test_functions_take_turns_smallest_shapes_first() -> None:
    order = list(dict.fromkeys((case.function, case.shape) for case in planned(preset="standard")))
    assert order == [("one", "8"), ("two", "8,8"), ("one", "16"), ("two", "16,16")]


def test_a_case_that_two_sweeps_name_is_planned_once() -> None:
    cases = planned(a_suite(Sweep(("forward",)), Sweep(("forward",), modes=("eager",))))
    assert len(cases) == len(set(cases)) == 6


@pytest.mark.parametrize(
    ("axis", "chosen", "key"),
    [
        ("modes", ("eager",), "mode"),
        ("dtypes", ("float16",), "dtype"),
        ("layouts", ("strided",), "layout"),
        ("implementations", ("where",), "implementation"),
    ],
)
def test_what_the_user_chose_replaces_the_sweeps_own(axis: str, chosen: tuple[str, ...], key: str) -> None:
    cases = plan(FORWARD, "quick", Selection(**{axis: chosen}), [ONE, TWO], ("cpu",))
    assert cases
    assert {getattr(case, key) for case in cases} == set(chosen)


def test_a_pass_that_the_suite_does_not_know_drops_out() -> None:
    assert planned(passes=("backward",)) == []
    assert {case.pass_ for case in planned(passes=("backward", "forward"))} == {"forward"}


def test_a_chosen_shape_goes_to_the_functions_it_fits() -> None:
    assert {(case.function, case.shape) for case in planned(shapes=("4x3,3",))} == {("two", "4x3,3")}
    assert {(case.function, case.shape) for case in planned(shapes=("4x3",))} == {("one", "4x3"), ("two", "4x3,4x3")}
    assert planned(shapes=("4,4,4",)) == []


def test_the_reference_in_eager_mode_joins_every_block_where_the_suite_asks_for_it() -> None:
    suite = replace(FORWARD, with_reference=True)
    chosen = planned(suite, implementations=("where",), modes=("compiled",))
    assert names(chosen) == {("one", "where", "compiled"), ("one", "reference", "eager")}
    assert names(planned(implementations=("where",), modes=("compiled",))) == {("one", "where", "compiled")}
    assert sum(case.implementation == "reference" and case.mode == "eager" for case in planned(suite)) == 2


def test_a_function_without_the_chosen_technique_gets_no_lonely_reference() -> None:
    suite = replace(FORWARD, with_reference=True)
    assert {case.function for case in planned(suite, implementations=("where",))} == {"one"}


def test_every_device_is_measured() -> None:
    cases = plan(FORWARD, "quick", Selection(), [ONE], ("cpu", "cuda:0"))
    assert {case.device for case in cases} == {"cpu", "cuda:0"}


def test_a_function_without_shapes_takes_the_grids_squares() -> None:
    entry = an_entry(a_function(), "bare", reference=abs)
    assert [case.shape for case in plan(FORWARD, "quick", Selection(), [entry], ("cpu",))] == ["256x256"] * 2


def test_a_sweep_picks_among_the_shapes() -> None:
    suite = a_suite(Sweep(("forward",), pick=lambda shapes: (shapes[0], "scalar", "0x3")))
    assert {case.shape for case in planned(suite, "full")} == {"8", "scalar", "0x3", "8,8", "scalar,scalar", "0x3,0x3"}


@pytest.mark.parametrize(
    ("layout", "shapes", "fits"),
    [
        ("contiguous", ((),), True),
        ("strided", ((),), False),
        ("strided", ((4,),), True),
        ("expanded", ((4,),), True),
        ("transposed", ((4,),), False),
        ("transposed", ((4, 4), (4,)), True),
        ("channels-last", ((4, 4, 4),), False),
        ("channels-last", ((4, 4, 4, 4),), True),
    ],
)
def test_a_layout_fits_when_it_changes_at_least_one_input(
    layout: str, shapes: tuple[tuple[int, ...], ...], fits: bool
) -> None:
    assert layout_fits(layout, shapes) is fits


def test_what_the_preset_leaves_out_is_told_by_mode_dtype_and_layout() -> None:
    lines = left_out_by_preset("speed", FORWARD, "quick", Selection(modes=("eager",)), [ONE], ("cpu",))
    what = "speed · eager · float32 · contiguous: 4 cases at 16 · 32"
    assert lines == [{"what": what, "reason": "preset quick; --preset full measures it"}]
    assert left_out_by_preset("speed", FORWARD, "full", Selection(), [ONE], ("cpu",)) == []


def test_a_selection_reads_back_from_json() -> None:
    selection = Selection(functions=("relu",), dtypes=("float16", "float32"))
    lists = {axis: list(getattr(selection, axis)) for axis in selection.__dataclass_fields__}
    assert Selection.from_json(lists) == selection
