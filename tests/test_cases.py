from __future__ import annotations

import pytest

from gradgauge.cases import Case, broadcast_elements, format_shapes, parse_shapes
from tests.fakes import CASE, a_case


@pytest.mark.parametrize(
    ("text", "inputs", "shapes"),
    [
        ("64x32", 1, ((64, 32),)),
        ("64x32", 2, ((64, 32), (64, 32))),
        ("1024x8,8", 2, ((1024, 8), (8,))),
        ("scalar", 1, ((),)),
        ("scalar,7", 2, ((), (7,))),
        ("0x3", 1, ((0, 3),)),
        ("4x3x5x5", 1, ((4, 3, 5, 5),)),
    ],
)
def test_shapes_are_read_one_for_each_input(text: str, inputs: int, shapes: tuple[tuple[int, ...], ...]) -> None:
    assert parse_shapes(text, inputs) == shapes
    assert parse_shapes(format_shapes(shapes), inputs) == shapes


@pytest.mark.parametrize("text", ["", "x", "4x", "-1x3", "4.5", "a", "4x,3", "²", "٣", " 4", "4x-3"])
def test_a_text_that_is_no_shape_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"shape {text!r} is not one of: 1024x1024"):
        parse_shapes(text, max(1, len(text.split(","))))


def test_shapes_in_the_wrong_number_say_how_many_are_wanted() -> None:
    with pytest.raises(ValueError, match=r"shape '4,4,4' has 3 parts, the function takes 2 inputs"):
        parse_shapes("4,4,4", 2)


@pytest.mark.parametrize(
    ("shapes", "elements"),
    [
        (((4, 3), (3,)), 12),
        (((4, 1), (1, 5)), 20),
        (((), ()), 1),
        (((0, 3), (3,)), 0),
        (((0, 3), (1, 3)), 0),
        (((4, 3), (3, 5)), 15),  # a matrix product's: they do not broadcast
    ],
)
def test_elements_of_shapes_broadcast_together(shapes: tuple[tuple[int, ...], ...], elements: int) -> None:
    assert broadcast_elements(shapes) == elements


def test_a_block_leaves_out_implementation_and_mode_and_nothing_else() -> None:
    assert a_case(implementation="where", mode="compiled").block == CASE.block
    for axis in ("function", "pass_", "device", "dtype", "shape", "layout"):
        assert a_case(**{axis: "other"}).block != CASE.block


def test_the_same_tensors_serve_every_pass_of_a_block() -> None:
    assert a_case(implementation="where", mode="compiled", pass_="backward").tensors == CASE.tensors
    for axis in ("function", "device", "dtype", "shape", "layout"):
        assert a_case(**{axis: "other"}).tensors != CASE.tensors


def test_json_says_pass_and_null_for_a_blank_axis_and_reads_back() -> None:
    case = a_case(shape="", layout="")
    keys = case.to_json()
    assert list(keys) == ["function", "implementation", "mode", "pass", "device", "dtype", "shape", "layout"]
    assert (keys["pass"], keys["shape"], keys["layout"]) == ("forward", None, None)
    assert Case.from_json({**keys, "metric": "time"}) == case


def test_the_slug_tells_every_axis_and_has_nothing_that_pytest_splits_at() -> None:
    slug = a_case(device="cuda:0", shape="4x3,3").slug
    assert slug == "relu-reference-eager-forward-cuda0-float32-4x3+3-contiguous"
    slugs = {a_case(**{axis: "other"}).slug for axis in CASE.__dataclass_fields__}
    assert len(slugs) == len(CASE.__dataclass_fields__)


def test_the_technique_is_implementation_and_mode() -> None:
    assert a_case(implementation="where", mode="compiled").technique == "where · compiled"
