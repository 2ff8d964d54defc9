"""Errors in units in the last place of the working dtype."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def ulp(scale: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the spacing of `dtype` at |scale|, in float64; the smallest subnormal near zero.

    Edges: NaN gives NaN; an infinite scale gives the spacing at the largest finite value.

    >>> ulp(torch.tensor([1.0, 3.0], dtype=torch.float64), torch.float32).tolist()
    [1.1920928955078125e-07, 2.384185791015625e-07]
    """
    info = torch.finfo(dtype)
    magnitude = scale.detach().double().abs().clamp(max=info.max)
    # frexp gives m·2^e with ½ ≤ m < 1, so the spacing at the scale is eps·2^(e−1).
    least = int(math.log2(info.smallest_normal)) + 1
    # frexp(0) has the exponent 0, as 0.5 has.
    exponent = torch.where(magnitude == 0, least, torch.frexp(magnitude).exponent.clamp(min=least))
    spacing = torch.ldexp(torch.full_like(magnitude, info.eps), exponent - 1)
    return torch.where(magnitude.isnan(), magnitude, spacing)


def count_ulps(error: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """Return |error| in ulps of `dtype` at |scale|."""
    return error.detach().double().abs() / ulp(scale, dtype)
