"""The product of two tensors, with broadcasting."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gradgauge.model import Function


def gradient_scale(inputs: tuple[Tensor, ...], grad_outputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return, for each input, the sum of |grad_output · other| over the elements it was broadcast to, in float64.

    The terms of that sum may cancel; what a rounding of each term then costs is no fault of the implementation.

    Shapes: inputs are (*a) and (*b), grad_outputs one tensor of their broadcast shape; results are (*a) and (*b).
    """
    a, b = (each.detach().double() for each in inputs)
    (grad_output,) = (each.detach().double() for each in grad_outputs)
    return (grad_output * b).abs().sum_to_size(a.shape), (grad_output * a).abs().sum_to_size(b.shape)


def exact(a: Any, b: Any) -> tuple[Any, tuple[Any, Any]]:
    """Return value and partial derivatives at two numbers in mpmath's precision."""
    return a * b, (b, a)


_STANDARD = ("64x64,64x64", "256x256,256x256", "1024x1024,1024")

FUNCTION = Function(
    summary="The product of two tensors, with broadcasting",
    formula="f(a, b) = a · b",
    derivative="∂f/∂a = b\n∂f/∂b = a\neach summed over the dimensions that were broadcast",
    source="The article that this project starts from; PyTorch documentation, “Extending PyTorch”",
    inputs=("a", "b"),
    gradient_scale=gradient_scale,
    exact=exact,
    curve=(-4.0, 4.0),
    shapes={
        "quick": ("256x256,256x256",),
        "standard": _STANDARD,
        "full": (*_STANDARD, "1024x1024,1024x1024", "4096x4096,4096x4096"),
    },
)
