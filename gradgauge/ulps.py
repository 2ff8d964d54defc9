"""Errors in units in the last place of the working dtype."""

from __future__ import annotations

import torch
from torch import Tensor

EXPONENT = 0x7FF0000000000000
"""The bits of a float64's exponent."""


def ulp(scale: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the spacing of `dtype` at |scale|, in float64; the smallest subnormal near zero.

    Edges: NaN gives NaN; an infinite scale gives the spacing at the largest finite value.

    >>> ulp(torch.tensor([1.0, 3.0], dtype=torch.float64), torch.float32).tolist()
    [1.1920928955078125e-07, 2.384185791015625e-07]
    """
    info = torch.finfo(dtype)
    magnitude = scale.detach().double().abs().clamp(max=info.max)
    # Without its mantissa a float64 is the power of two below it, and 0 where it is subnormal; a NaN becomes infinite.
    below = (magnitude.view(torch.int64) & EXPONENT).view(torch.float64)
    return (below * info.eps).clamp(min=info.smallest_normal * info.eps) + 0 * magnitude


def count_ulps(error: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """Return |error| in ulps of `dtype` at |scale|."""
    return error.detach().double().abs() / ulp(scale, dtype)
