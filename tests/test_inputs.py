from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gradgauge.atlas import KINDS
from gradgauge.cases import LAYOUTS
from gradgauge.catalog import Catalog
from gradgauge.inputs import (
    RefusedDtype,
    as_leaf,
    cotangents,
    edge_inputs,
    edges_of,
    generator_for,
    lay_out,
    random_inputs,
    torch_dtype,
)
from gradgauge.model import Function, kink_at
from tests.fakes import a_case, a_function, an_entry

DTYPES = ("float64", "float32", "bfloat16", "float16")


@pytest.mark.parametrize("name", ["int32", "int64", "bool", "complex64"])
def test_a_dtype_without_gradients_is_refused_naming_it_and_the_function(name: str) -> None:
    with pytest.raises(RefusedDtype, match=f"relu: dtype {name} has no gradient"):
        torch_dtype(name, "relu")


@pytest.mark.parametrize("name", ["float17", "nn", ""])
def test_what_is_no_dtype_is_refused(name: str) -> None:
    with pytest.raises(RefusedDtype, match=f"relu: {name!r} is not a dtype"):
        torch_dtype(name, "relu")


@pytest.mark.parametrize(
    "changes", [{"implementation": "where"}, {"mode": "compiled"}, {"pass_": "backward"}, {"device": "cuda:0"}]
)
def test_every_case_of_a_block_and_every_device_sees_the_same_numbers(
    catalog: Catalog, changes: dict[str, str]
) -> None:
    entry = catalog.functions["relu"]
    (one,), (other,) = (random_inputs(case, entry, 0) for case in (a_case(), a_case(**changes)))
    assert torch.equal(one, other)


def test_inputs_do_not_depend_on_what_was_drawn_before(catalog: Catalog) -> None:
    entry = catalog.functions["relu"]
    (first,) = random_inputs(a_case(), entry, 0)
    random_inputs(a_case(shape="3"), entry, 0)
    torch.manual_seed(123)
    torch.rand(5)
    (again,) = random_inputs(a_case(), entry, 0)
    assert torch.equal(first, again)


@pytest.mark.parametrize("changes", [{"seed": 1}, {"shape": "8x9"}, {"purpose": "cotangents"}, {"function": "other"}])
def test_seed_shape_function_and_purpose_each_change_the_numbers(changes: dict[str, object]) -> None:
    def draw(seed: int = 0, purpose: str = "inputs", **axes: str) -> float:
        return float(torch.rand((), generator=generator_for(a_case(**axes), seed, purpose)))

    assert draw() == draw()
    assert draw(**changes) != draw()  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_narrower_dtype_sees_the_same_numbers_rounded(catalog: Catalog, dtype: str) -> None:
    entry = catalog.functions["relu"]
    (wide,) = random_inputs(a_case(), entry, 0)
    (narrow,) = random_inputs(a_case(dtype=dtype), entry, 0)
    assert narrow.dtype == torch_dtype(dtype, "relu")
    assert torch.equal(narrow, wide.to(narrow.dtype))


@pytest.mark.parametrize("function", ["relu", "ternary_activation"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_each_piece_gets_at_least_5_percent_of_the_elements(catalog: Catalog, function: str, dtype: str) -> None:
    entry = catalog.functions[function]
    (x,) = random_inputs(a_case(function=function, shape="64x64", dtype=dtype), entry, 0)
    places = torch.tensor(entry.function.breakpoints, dtype=torch.float64)
    pieces = torch.bucketize(x.double(), places, right=True)
    shares = torch.bincount(pieces.reshape(-1), minlength=len(places) + 1) / x.numel()
    assert len(shares) == len(places) + 1
    assert shares.min() >= 0.05


def test_a_function_of_two_inputs_gets_two_different_ones(catalog: Catalog) -> None:
    a, b = random_inputs(a_case(function="multiply", shape="8x8,8"), catalog.functions["multiply"], 0)
    assert (a.shape, b.shape) == ((8, 8), (8,))
    assert not torch.equal(a[0], b)


def test_a_function_may_draw_its_own_inputs() -> None:
    entry = an_entry(
        a_function(sample=lambda generator, shapes: tuple(torch.full(s, 3.0) for s in shapes)), reference=abs
    )
    (x,) = random_inputs(a_case(dtype="float16"), entry, 0)
    assert x.dtype == torch.float16
    assert (x == 3).all()


def bits(tensor: Tensor) -> list[str]:
    return [repr(value) for value in tensor.double().tolist()]


def edge_values(function: Function, dtype: torch.dtype = torch.float32) -> Tensor:
    return edges_of(function, dtype).values


@pytest.mark.parametrize("dtype", DTYPES)
def test_edges_hold_both_zeros_nan_infinities_extremes_and_subnormals(dtype: str) -> None:
    kind = torch_dtype(dtype, "f")
    info = torch.finfo(kind)
    values = bits(edge_values(a_function(), kind))
    subnormal = info.smallest_normal * info.eps
    wanted = [0.0, -0.0, math.inf, -math.inf, math.nan, info.max, info.min, subnormal, -subnormal, 1.0, -1.0]
    assert set(map(repr, map(float, wanted))) <= set(values)
    assert len(values) == len(set(values))


@pytest.mark.parametrize("dtype", DTYPES)
def test_edges_hold_each_kink_and_breakpoint_and_1_2_and_8_ulp_to_both_sides(dtype: str) -> None:
    kind = torch_dtype(dtype, "f")
    function = a_function(breakpoints=(-5.0,), kinks=(kink_at(3.0, 0.0, 1.0),))
    edges = edges_of(function, kind)
    values, kinds = edges.values.tolist(), edges.kinds.tolist()
    for point in (-5.0, 3.0):
        for far in (math.inf, -math.inf):
            here = torch.tensor(point, dtype=kind)
            for steps in range(9):
                if steps in (0, 1, 2, 8):
                    assert KINDS[kinds[values.index(here.item())]] == "kinks"
                here = torch.nextafter(here, torch.tensor(far, dtype=kind))


def test_an_edge_that_a_narrow_dtype_cannot_hold_is_no_finite_one() -> None:
    edges = edges_of(a_function(edges=(1e5,)), torch.float16)
    of_kind = {KINDS[code]: edges.values[edges.kinds == code] for code in range(len(KINDS))}
    assert math.inf in of_kind["nonfinite"].tolist()
    assert of_kind["edges"].isfinite().all()


def test_edges_of_the_specification_are_rounded_to_the_dtype() -> None:
    values = edge_values(a_function(edges=(0.1,)), torch.bfloat16)
    assert values.dtype == torch.bfloat16
    assert torch.tensor(0.1, dtype=torch.bfloat16).item() in values.tolist()


def filled_at(catalog: Catalog, **changes: str) -> list[tuple[tuple[Tensor, ...], Tensor]]:
    case = a_case(**changes)
    entry = catalog.functions[case.function]
    return edge_inputs(case, entry, random_inputs(case, entry, 0))


def test_leading_elements_are_edges_and_the_rest_is_the_background(catalog: Catalog) -> None:
    entry = catalog.functions["relu"]
    case = a_case(shape="64x64")
    background = random_inputs(case, entry, 0)
    ((filled, kinds),) = edge_inputs(case, entry, background)
    edges = edges_of(entry.function, torch.float32)
    count = len(edges.values)
    assert bits(filled[0].reshape(-1)[:count]) == bits(edges.values)
    assert torch.equal(kinds.reshape(-1)[:count], edges.kinds)
    assert torch.equal(filled[0].reshape(-1)[count:], background[0].reshape(-1)[count:])
    assert not kinds.reshape(-1)[count:].any()


@pytest.mark.parametrize("shape", ["scalar", "5"])
def test_where_the_tensor_is_small_every_edge_still_has_its_turn(catalog: Catalog, shape: str) -> None:
    filled = filled_at(catalog, shape=shape)
    seen = {value for (x,), kinds in filled for value in bits(x.reshape(-1)[kinds.reshape(-1) > 0])}
    assert seen == set(bits(edge_values(catalog.functions["relu"].function)))


def test_two_inputs_meet_every_pair_of_edges(catalog: Catalog) -> None:
    filled = filled_at(catalog, function="multiply", shape="64x64,64x64")
    pairs = {pair for (a, b), kinds in filled for pair in zip(bits(a[kinds > 0]), bits(b[kinds > 0]), strict=True)}
    edges = bits(edge_values(catalog.functions["multiply"].function))
    assert pairs == {(a, b) for a in edges for b in edges}


def test_a_pair_with_an_infinity_or_nan_is_no_finite_one(catalog: Catalog) -> None:
    ((a, b), kinds) = filled_at(catalog, function="multiply", shape="64x64,64x64")[0]
    finite = a.isfinite() & b.isfinite()
    assert torch.equal(kinds == KINDS.index("nonfinite"), ~finite)


def test_of_many_combinations_every_edge_of_every_input_has_its_turn() -> None:
    entry = an_entry(
        a_function(inputs=("a", "b", "c"), edges=(2.0,)), name="three", reference=lambda a, b, c: a + b + c
    )
    case = a_case(function="three", shape="64x64")
    filled = edge_inputs(case, entry, random_inputs(case, entry, 0))
    for index in range(3):
        seen = {value for tensors, kinds in filled for value in bits(tensors[index][kinds > 0])}
        assert seen == set(bits(edge_values(entry.function)))


def test_an_empty_tensor_has_no_edges(catalog: Catalog) -> None:
    assert filled_at(catalog, shape="0x3") == []


def test_an_expanded_tensor_loses_no_edge_and_its_repeats_are_edges_too(catalog: Catalog) -> None:
    filled = filled_at(catalog, shape="6x4", layout="expanded")
    seen = {value for (x,), kinds in filled for value in bits(lay_out(x, "expanded")[kinds > 0])}
    assert seen == set(bits(edge_values(catalog.functions["relu"].function)))
    (x,), kinds = filled[0]
    assert torch.equal(kinds, kinds[:1].expand(kinds.shape))
    assert torch.equal(x, x[:1].expand(x.shape)) or x.isnan().any()


def test_a_slice_is_what_the_backward_of_cat_hands_on() -> None:
    x = torch.randn(3, 4, requires_grad=True)
    handed: list[Tensor] = []
    middle = 2 * x
    middle.register_hook(handed.append)  # type: ignore[no-untyped-call]
    torch.autograd.backward(torch.cat((torch.zeros(3, 4), middle), dim=-1), torch.randn(3, 8))
    sliced = lay_out(x.detach(), "sliced")
    assert torch.equal(sliced, x)
    assert (sliced.stride(), sliced.storage_offset()) == (handed[0].stride(), handed[0].storage_offset()) == ((8, 1), 4)


STRIDES = {
    "contiguous": (60, 20, 5, 1),
    "transposed": (60, 20, 1, 4),
    "strided": (120, 40, 10, 2),
    "expanded": (0, 20, 5, 1),
    "channels-last": (60, 1, 15, 3),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_has_the_strides_it_claims_and_the_same_values(layout: str) -> None:
    x = torch.arange(120.0).reshape(2, 3, 4, 5)
    laid = lay_out(x, layout)
    assert laid.stride() == STRIDES[layout]
    assert torch.equal(laid, x[:1].expand_as(x) if layout == "expanded" else x)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(), (0, 3)], ids=str)
def test_a_layout_that_does_not_fit_leaves_values_alone(layout: str, shape: tuple[int, ...]) -> None:
    x = torch.full(shape, 3.0)
    assert torch.equal(lay_out(x, layout), x)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_leaf_is_a_fresh_tensor_of_its_layout_that_asks_for_its_gradient(layout: str) -> None:
    leaf = as_leaf(torch.ones(2, 3, 4, 5), a_case(layout=layout))
    assert leaf.is_leaf
    assert leaf.requires_grad
    assert leaf.stride() == STRIDES[layout]


def test_cotangents_have_the_shape_and_dtype_of_the_outputs_and_come_from_the_generator() -> None:
    outputs = (torch.ones(3, dtype=torch.float16), torch.ones(2, 2))
    one, other = (cotangents(outputs, torch.Generator().manual_seed(5)) for _ in range(2))
    assert [(each.shape, each.dtype) for each in one] == [((3,), torch.float16), ((2, 2), torch.float32)]
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert one[1].std() > 0
