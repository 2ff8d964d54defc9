"""What is excused along the input of a function of one: learned at some points, asked for at others."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

WINDOW = 8
"""So many neighbours on both sides share their largest deviation with an element."""
NEAR = 0.05
"""Within this distance, relative to 1 + |x|, neighbours share absolute deviations, too."""
STEEP, STEEP_ULP = 4.0, 16.0
"""Where more is excused than so many times the median, and than so many ulps, results cancel: there the absolute
deviation counts, too."""
_BOTH_SIDES = range(-WINDOW, WINDOW + 1)


@dataclass(frozen=True)
class Profile:
    """How large an error is excused at each x.

    x: float64, ascending. ulps: at the scale that errors are counted at. absolute: besides, where results cancel: the
    true one may pass through 0 between two points, and an ulp of it then means nothing.
    """

    x: Tensor
    ulps: Tensor
    absolute: Tensor

    @classmethod
    def along(cls, x: Tensor, ulps: Tensor, absolute: Tensor) -> Profile:
        """Return the profile of what is excused at x (flat, float64), each shared with its neighbours."""
        xs, order = x.sort()
        near = torch.stack([(_shifted(xs, by, math.inf) - xs).abs() <= NEAR * (1 + xs.abs()) for by in _BOTH_SIDES])
        shared = torch.stack([_shifted(absolute[order], by, 0.0) for by in _BOTH_SIDES])
        alike = torch.stack([_shifted(ulps[order], by, 0.0) for by in _BOTH_SIDES])
        largest = alike.amax(dim=0)
        cancels = largest > max(STEEP_ULP, STEEP * float(ulps.median()))
        return cls(xs, largest, torch.where(near & cancels, shared, 0.0).amax(dim=0))

    def at(self, x: Tensor, spacing: Tensor) -> Tensor:
        """Return how many ulps are excused at each x, of which the nearer points on both sides decide.

        spacing: an ulp of the result there.
        """
        right = torch.searchsorted(self.x, x.contiguous()).clamp(max=len(self.x) - 1)
        left = (right - 1).clamp(min=0)
        ulps = torch.maximum(self.ulps[left], self.ulps[right])
        for side in (left, right):
            near = x.isfinite() & spacing.isfinite() & ((self.x[side] - x).abs() <= NEAR * (1 + x.abs()))
            ulps = torch.maximum(ulps, torch.where(near, self.absolute[side] / spacing, 0.0))
        return ulps


def _shifted(tensor: Tensor, by: int, fill: float) -> Tensor:
    """Return the tensor with the element that lies `by` further on in each element's place."""
    moved = torch.full_like(tensor, fill)
    if abs(by) >= len(tensor):
        return moved
    if by >= 0:
        moved[: len(tensor) - by] = tensor[by:]
    else:
        moved[-by:] = tensor[:by]
    return moved
