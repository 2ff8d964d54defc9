"""The implementations that the checks must catch are wrong in the way that each of them says, and in no other."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor

Load = Callable[[str], ModuleType]

X = (-2.0, -0.75, 0.75, 2.0)
RELU, SLOPE = (0.0, 0.0, 0.75, 2.0), (0.0, 0.0, 1.0, 1.0)
NAN = float("nan")


def at_points(load: Load, technique: str, *, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    x = torch.tensor(X, dtype=dtype, requires_grad=True)
    value = load(f"tests/known_wrong/relu/{technique}.py").IMPLEMENTATION.call(x)
    (gradient,) = torch.autograd.grad(value, x, torch.ones_like(value))
    return value.detach(), gradient


@pytest.mark.parametrize(
    ("technique", "value", "slope"),
    [
        ("sign_fault", RELU, (0.0, 0.0, -1.0, -1.0)),
        ("per_mille_off", RELU, (0.0, 0.0, 1.001, 1.001)),
        ("nonfinite_gradient", RELU, (0.0, 0.0, NAN, 1.0)),
        ("zeros", (0.0,) * 4, (0.0,) * 4),
        ("constant", (1.0,) * 4, (1.0,) * 4),
        ("nan_to_zero", RELU, SLOPE),
        ("unexpected_agreement", RELU, SLOPE),
    ],
)
def test_value_and_gradient(load: Load, technique: str, value: tuple[float, ...], slope: tuple[float, ...]) -> None:
    expected = torch.tensor(value), torch.tensor(slope)
    torch.testing.assert_close(at_points(load, technique), expected, equal_nan=True)


def test_nan_to_zero(load: Load) -> None:
    call = load("tests/known_wrong/relu/nan_to_zero.py").IMPLEMENTATION.call
    assert call(torch.tensor([NAN])).item() == 0


@pytest.mark.parametrize(
    ("given", "returned"),
    [(torch.float32, torch.float64), (torch.float64, torch.float32), (torch.bfloat16, torch.float64)],
)
def test_wrong_dtype(load: Load, given: torch.dtype, returned: torch.dtype) -> None:
    value, gradient = at_points(load, "wrong_dtype", dtype=given)
    assert value.dtype == returned
    torch.testing.assert_close(gradient, torch.tensor(SLOPE, dtype=given))


def test_wrong_shape(load: Load) -> None:
    assert at_points(load, "wrong_shape")[0].shape == (1, 4)


def test_raises_only_in_the_backward(load: Load) -> None:
    x = torch.tensor(X, requires_grad=True)
    value = load("tests/known_wrong/relu/raises.py").IMPLEMENTATION.call(x)
    with pytest.raises(RuntimeError, match="this backward always raises"):
        value.sum().backward()


def test_raises_in_the_forward(load: Load) -> None:
    call = load("tests/known_wrong/relu/raises_forward.py").IMPLEMENTATION.call
    with pytest.raises(RuntimeError, match=r"this forward always raises, also for shape \(4,\)"):
        call(torch.tensor(X))


@pytest.mark.parametrize("technique", ["aborts", "hangs", "eats_memory"])
def test_files_that_end_the_process_can_be_loaded(load: Load, technique: str) -> None:
    assert callable(load(f"tests/known_wrong_process/relu/{technique}.py").IMPLEMENTATION.call)


def test_a_file_that_defines_a_custom_operator_can_be_loaded_twice(load: Load) -> None:
    first, file = load("tests/known_right/relu/custom_op.py"), "tests/known_right/../known_right/relu/custom_op.py"
    second = load(file)
    assert first is not second
    x = torch.tensor(X, requires_grad=True)
    value = second.IMPLEMENTATION.call(x)
    torch.testing.assert_close(value.detach(), torch.tensor(RELU))
    torch.testing.assert_close(torch.autograd.grad(value.sum(), x)[0], torch.tensor(SLOPE))
