"""The built-in implementations: right against mpmath, alike among each other, safe at the edges."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import mpmath  # type: ignore[import-untyped]  # mpmath ships no types
import pytest
import torch
from torch import Tensor

from gradgauge.cases import parse_shapes

Load = Callable[[str], ModuleType]
Call = Callable[..., Tensor]

ROOT = Path(__file__).parents[2]
TECHNIQUES = sorted(
    f"{file.parent.name}/{file.stem}" for file in ROOT.glob("implementations/*/*.py") if file.stem != "function"
)
ELEMENTWISE = [technique for technique in TECHNIQUES if not technique.startswith("multiply/")]
WRONG_BACKWARD = ["ternary_activation/published"]
RIGHT = [technique for technique in TECHNIQUES if technique not in WRONG_BACKWARD]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]

every_technique = pytest.mark.parametrize("technique", TECHNIQUES)
every_elementwise = pytest.mark.parametrize("technique", ELEMENTWISE)
every_right = pytest.mark.parametrize("technique", RIGHT)


def value_and_gradients(call: Call, *inputs: Tensor, grad_output: Tensor | None = None) -> tuple[Tensor, ...]:
    """Return the value and one gradient for each input, at copies that keep the inputs' strides."""
    leaves = [each.detach().requires_grad_() for each in inputs]
    value = call(*leaves)
    cotangent = torch.ones_like(value) if grad_output is None else grad_output
    return value.detach(), *torch.autograd.grad(value, leaves, cotangent)


def random_inputs(technique: str, *shape: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    """Return as many seeded inputs as the technique takes, spread over all pieces."""
    generator = torch.Generator().manual_seed(7)
    count = 2 if technique.startswith("multiply/") else 1
    return tuple(8 * torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for _ in range(count))


def saved_tensors(call: Call, *inputs: Tensor) -> list[Tensor]:
    """Return every tensor that the forward saves for its backward."""
    saved: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        call(*inputs)
    return saved


# --- against mpmath -------------------------------------------------------------------------------------------------


def true_relu(x: Any) -> tuple[Any, Any]:
    return (x, mpmath.mpf(1)) if x >= 0 else (mpmath.mpf(0), mpmath.mpf(0))


def true_ternary_activation(x: Any) -> tuple[Any, Any]:
    def sigmoid(z: Any) -> Any:
        return 1 / (1 + mpmath.exp(-z))

    if -5 <= x < 5:
        return mpmath.mpf(1) / 10 * x, mpmath.mpf(1) / 10
    tail = 5 - abs(x)
    return mpmath.sign(x) * sigmoid(-tail), sigmoid(tail) * sigmoid(-tail)


def points_to_try(function: Any) -> list[float]:
    generator = torch.Generator().manual_seed(1)
    random: list[float] = (15 * torch.randn(200, generator=generator, dtype=torch.float64)).tolist()
    places = (0.0, *function.breakpoints)
    around = [
        neighbour for place in places for neighbour in (place, math.nextafter(place, -1e9), math.nextafter(place, 1e9))
    ]
    return [*random, *around, -0.0, 5e-324, -5e-324, 1e-310, *function.edges]


TRUTHS: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "relu": true_relu,
    "ternary_activation": true_ternary_activation,
}


@pytest.mark.parametrize("name", TRUTHS)
def test_the_reference_agrees_with_mpmath_in_float64(load: Load, name: str) -> None:
    function = load(f"implementations/{name}/function.py").FUNCTION
    reference = load(f"implementations/{name}/reference.py").IMPLEMENTATION.call
    points = points_to_try(function)
    values, gradients = value_and_gradients(reference, torch.tensor(points, dtype=torch.float64))
    with mpmath.workdps(50):
        for x, value, gradient in zip(points, values.tolist(), gradients.tolist(), strict=True):
            true_value, true_gradient = TRUTHS[name](mpmath.mpf(x))
            assert abs(value - true_value) <= 4 * math.ulp(float(true_value)), f"value at {x}"
            scale = max(float(true_gradient), function.gradient_scale)
            assert abs(gradient - true_gradient) <= 4 * math.ulp(scale), f"gradient at {x}"


def test_the_ternary_reference_keeps_the_tails_of_the_gradient_relatively_right(load: Load) -> None:
    reference = load("implementations/ternary_activation/reference.py").IMPLEMENTATION.call
    points = [-500.25, -100.0, -45.0, -30.1, -10.0, 10.0, 30.1, 45.0, 100.0, 500.25]
    _, gradients = value_and_gradients(reference, torch.tensor(points, dtype=torch.float64))
    with mpmath.workdps(50):
        for x, gradient in zip(points, gradients.tolist(), strict=True):
            _, true_gradient = true_ternary_activation(mpmath.mpf(x))
            # x ± 5 is rounded once, and exp turns that absolute error into a relative one.
            assert abs(gradient - true_gradient) <= (abs(x) + 4) * math.ulp(float(true_gradient)), f"at {x}"


NAN, FAR, TAIL_45, TAIL_30 = math.nan, 5.521e-42, 4.248e-18, 1.3888e-11
TAIL_10, STEP, TAIL_6 = 0.0066481, 0.1, 0.1966119


@pytest.mark.parametrize(
    ("technique", "dtype", "slopes"),
    [
        ("published", torch.float32, (NAN, -TAIL_45, -TAIL_30, -TAIL_10, STEP, TAIL_6, NAN)),
        ("published", torch.float64, (-FAR, -TAIL_45, -TAIL_30, -TAIL_10, STEP, TAIL_6, FAR)),
        ("where", torch.float32, (0, 0, 0, TAIL_10, STEP, TAIL_6, 0)),
        ("where", torch.float64, (0, 0, TAIL_30, TAIL_10, STEP, TAIL_6, 0)),
        ("reference", torch.float32, (None, TAIL_45, TAIL_30, TAIL_10, STEP, TAIL_6, None)),
        ("reference", torch.float64, (FAR, TAIL_45, TAIL_30, TAIL_10, STEP, TAIL_6, FAR)),
        ("masked_function", torch.float64, (FAR, TAIL_45, TAIL_30, TAIL_10, STEP, TAIL_6, FAR)),
    ],
)
def test_the_known_slopes_of_the_ternary_activation(
    load: Load, technique: str, dtype: torch.dtype, slopes: tuple[float | None, ...]
) -> None:
    call = load(f"implementations/ternary_activation/{technique}.py").IMPLEMENTATION.call
    x = torch.tensor([-100.0, -45.0, -30.0, -10.0, 0.0, 6.0, 100.0], dtype=dtype)
    _, gradients = value_and_gradients(call, x)
    for slope, gradient in zip(slopes, gradients.tolist(), strict=True):
        if slope is None:  # a float32 denormal, kept or flushed: both are right
            assert gradient == 0 or gradient == pytest.approx(FAR, rel=1e-2)
        else:
            assert gradient == pytest.approx(slope, rel=1e-3, abs=0, nan_ok=True)


# --- alike among each other -----------------------------------------------------------------------------------------


@every_right
def test_value_and_gradients_agree_with_the_reference(technique: str, call: Call, reference: Call) -> None:
    inputs = random_inputs(technique, 40, 30)
    expected = value_and_gradients(reference, *inputs)
    torch.testing.assert_close(value_and_gradients(call, *inputs), expected, rtol=0, atol=4 * 2**-53)


@pytest.mark.parametrize("technique", WRONG_BACKWARD)
def test_the_published_gradient_disagrees_although_its_value_agrees(
    technique: str, call: Call, reference: Call
) -> None:
    (x,) = random_inputs(technique, 40, 30)
    value, gradient = value_and_gradients(call, x)
    true_value, true_gradient = value_and_gradients(reference, x)
    torch.testing.assert_close(value, true_value, rtol=0, atol=4 * 2**-53)
    disagrees = ~torch.isclose(gradient, true_gradient, rtol=1e-9, atol=0)
    assert torch.equal(disagrees, x < -5)


@pytest.mark.parametrize("technique", [each for each in TECHNIQUES if each.startswith("multiply/")])
@pytest.mark.parametrize("shapes", ["4x3,3", "3,4x3", "4x1,1x3", "scalar,2x3", "scalar,scalar", "2x3,2x1", "0x3,3"])
def test_broadcast_gradients_have_their_inputs_shapes(call: Call, reference: Call, shapes: str) -> None:
    generator = torch.Generator().manual_seed(3)
    a, b = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in parse_shapes(shapes, 2))
    results, expected = value_and_gradients(call, a, b), value_and_gradients(reference, a, b)
    assert [each.shape for each in results[1:]] == [a.shape, b.shape]
    torch.testing.assert_close(results, expected, rtol=1e-14, atol=1e-14)


@every_right
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_low_precision_stays_near_the_float64_reference(
    technique: str, dtype: torch.dtype, call: Call, reference: Call
) -> None:
    inputs = random_inputs(technique, 64, dtype=dtype)
    results = value_and_gradients(call, *inputs)
    expected = value_and_gradients(reference, *(each.double() for each in inputs))
    assert all(each.dtype == dtype for each in results)
    eps = torch.finfo(dtype).eps
    for result, true in zip(results, expected, strict=True):
        torch.testing.assert_close(result.double(), true, rtol=4 * eps, atol=4 * eps * 0.25)


@every_technique
def test_double_backward_agrees_with_numerical_differences(technique: str, call: Call) -> None:
    # Away from the kinks, where differences mean nothing.
    inputs = [
        torch.tensor([-9.0, -6.5, -2.0, 3.0, 6.5, 9.0], dtype=torch.float64, requires_grad=True)
        for _ in random_inputs(technique, 1)
    ]
    assert torch.autograd.gradgradcheck(call, inputs)


# --- edges ----------------------------------------------------------------------------------------------------------


@every_elementwise
def test_the_slope_at_each_kink_is_the_declared_one(load: Load, technique: str, call: Call) -> None:
    function = load(f"implementations/{technique.split('/', maxsplit=1)[0]}/function.py").FUNCTION
    convention = load(f"implementations/{technique}.py").IMPLEMENTATION.convention
    assert set(convention) == {kink.name for kink in function.kinks}
    for kink in function.kinks:
        x = torch.tensor([kink.point] * 3, dtype=torch.float64)
        _, gradient = value_and_gradients(call, x)
        torch.testing.assert_close(gradient, torch.full_like(x, convention[kink.name]), rtol=1e-15, atol=0)


@every_elementwise
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_nan_stays_nan_and_negative_zero_is_the_references(dtype: torch.dtype, call: Call, reference: Call) -> None:
    # Vectorized and scalar kernels may differ, so the edges stand in both the bulk and the remainder.
    x = torch.tensor([math.nan, -0.0, 0.0] * 35, dtype=dtype)
    value = call(x)
    assert torch.equal(value.isnan(), x.isnan())
    assert torch.equal(value.signbit()[~x.isnan()], reference(x).signbit()[~x.isnan()])


@every_elementwise
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_values_at_extreme_inputs_are_the_references(dtype: torch.dtype, call: Call, reference: Call) -> None:
    largest = torch.finfo(dtype).max
    x = torch.tensor([-math.inf, -largest, -1e4, 1e4, largest, math.inf], dtype=dtype)
    torch.testing.assert_close(call(x), reference(x), rtol=0, atol=0)


@pytest.mark.parametrize("technique", [each for each in ELEMENTWISE if each in RIGHT])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_gradients_at_extreme_inputs_are_the_references(dtype: torch.dtype, call: Call, reference: Call) -> None:
    largest = torch.finfo(dtype).max
    x = torch.tensor([-math.inf, -largest, -1e4, 1e4, largest, math.inf], dtype=dtype)
    _, gradient = value_and_gradients(call, x)
    _, expected = value_and_gradients(reference, x)
    assert gradient.isfinite().all()
    torch.testing.assert_close(gradient, expected, rtol=0, atol=0)


@every_technique
@pytest.mark.parametrize("shape", [(), (0, 3)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_zero_dimensions_and_no_elements(
    technique: str, shape: tuple[int, ...], dtype: torch.dtype, call: Call
) -> None:
    inputs = random_inputs(technique, *shape, dtype=dtype)
    for result in value_and_gradients(call, *inputs):
        assert result.shape == shape
        assert result.dtype == dtype


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "transposed": lambda x: x.t().contiguous().t(),
    "strided": lambda x: torch.stack((x, x), dim=-1)[..., 0],
    "expanded": lambda x: x[:1].expand_as(x),
}


@every_technique
@pytest.mark.parametrize("layout", LAYOUTS)
def test_strides_of_inputs_do_not_matter(technique: str, layout: str, call: Call) -> None:
    inputs = [LAYOUTS[layout](each) for each in random_inputs(technique, 6, 5)]
    assert not any(each.is_contiguous() for each in inputs)
    results = value_and_gradients(call, *inputs)
    expected = value_and_gradients(call, *(each.contiguous() for each in inputs))
    torch.testing.assert_close(results, expected, rtol=0, atol=0, equal_nan=True)


@every_technique
@pytest.mark.parametrize("layout", LAYOUTS)
def test_strides_of_the_cotangent_do_not_matter(technique: str, layout: str, call: Call) -> None:
    inputs = random_inputs(technique, 6, 5)
    cotangent = LAYOUTS[layout](random_inputs(technique, 6, 5)[0])
    before = cotangent.clone()
    results = value_and_gradients(call, *inputs, grad_output=cotangent)
    expected = value_and_gradients(call, *inputs, grad_output=cotangent.contiguous())
    torch.testing.assert_close(results, expected, rtol=0, atol=0)
    assert torch.equal(cotangent, before), "the backward wrote into grad_output"


@every_technique
def test_the_expanded_cotangent_that_sum_sends(technique: str, call: Call) -> None:
    leaves = [each.requires_grad_() for each in random_inputs(technique, 6, 5)]
    results = torch.autograd.grad(call(*leaves).sum(), leaves)
    _, *expected = value_and_gradients(call, *leaves)
    torch.testing.assert_close(results, tuple(expected), rtol=0, atol=0)


@every_technique
def test_inputs_are_left_as_they_were(technique: str, call: Call) -> None:
    inputs = random_inputs(technique, 6, 5)
    before = [each.clone() for each in inputs]
    value_and_gradients(call, *inputs)
    assert all(torch.equal(each, old) for each, old in zip(inputs, before, strict=True))
    assert all(each._version == 0 for each in inputs)


# --- what is saved --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("technique", ["multiply/lean_function"])
@pytest.mark.parametrize("needs", [(True, True), (True, False), (False, True), (False, False)])
def test_lean_function_saves_only_what_it_needs(call: Call, needs: tuple[bool, bool]) -> None:
    a, b = torch.full((2, 3), 2.0, requires_grad=needs[0]), torch.full((3,), 5.0, requires_grad=needs[1])
    expected = ([2.0] if needs[1] else []) + ([5.0] if needs[0] else [])
    assert [each.flatten()[0].item() for each in saved_tensors(call, a, b)] == expected


@pytest.mark.parametrize("technique", ["multiply/lean_function"])
@pytest.mark.parametrize("asked", [0, 1])
def test_lean_function_returns_the_one_gradient_that_is_needed(call: Call, asked: int) -> None:
    inputs = [torch.full((2, 3), 2.0), torch.full((3,), 5.0)]
    inputs[asked].requires_grad_()
    torch.autograd.backward(call(*inputs).sum())
    assert [each.grad is not None for each in inputs] == [asked == 0, asked == 1]
    expected = torch.full((2, 3), 5.0) if asked == 0 else torch.full((3,), 4.0)
    torch.testing.assert_close(inputs[asked].grad, expected)


@pytest.mark.parametrize(
    ("technique", "saved_bytes"),
    [
        ("multiply/custom_function", 2 * 400),
        ("relu/reference", 400),
        ("relu/masked_function", 400),
        ("relu/where", 100),
        ("relu/native", 400),
        ("ternary_activation/reference", 2 * 100 + 2 * 400),
        ("ternary_activation/where", 2 * 100 + 2 * 400),
        ("ternary_activation/masked_function", 400),
        ("ternary_activation/published", 400),
    ],
)
def test_techniques_save_what_their_docstrings_say(technique: str, saved_bytes: int, call: Call) -> None:
    leaves = [each.requires_grad_() for each in random_inputs(technique, 100, dtype=torch.float32)]
    assert sum(each.nbytes for each in saved_tensors(call, *leaves)) == saved_bytes


# --- the specifications ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["multiply", "relu", "ternary_activation"])
def test_the_shapes_of_every_preset_parse_and_full_contains_standard(load: Load, name: str) -> None:
    function = load(f"implementations/{name}/function.py").FUNCTION
    assert list(function.shapes) == ["quick", "standard", "full"]
    assert set(function.shapes["quick"]) <= set(function.shapes["standard"]) <= set(function.shapes["full"])
    for shapes in function.shapes.values():
        elements = [max(math.prod(shape) for shape in parse_shapes(each, len(function.inputs))) for each in shapes]
        assert elements == sorted(elements)


@every_technique
def test_the_first_line_of_the_module_is_a_summary(load: Load, technique: str) -> None:
    first, *rest = (load(f"implementations/{technique}.py").__doc__ or "").splitlines()
    assert first.endswith(".")
    assert not rest


def test_the_gradient_scale_of_multiply_does_not_cancel(load: Load) -> None:
    a, b = torch.tensor([[1.0, 2.0], [-1.0, 4.0]]), torch.tensor([3.0, -1.0])
    scale_a, scale_b = load("implementations/multiply/function.py").FUNCTION.gradient_scale((a, b), (torch.ones(2, 2),))
    torch.testing.assert_close(scale_a, torch.tensor([[3.0, 1.0], [3.0, 1.0]], dtype=torch.float64))
    torch.testing.assert_close(scale_b, torch.tensor([2.0, 6.0], dtype=torch.float64))
