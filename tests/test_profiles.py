from __future__ import annotations

import math

import torch
from torch import Tensor

from gradgauge.profiles import WINDOW, Profile


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


STEPS = Profile(doubles(0, 1, 2), doubles(1, 5, 3), torch.zeros(3, dtype=torch.float64))


def at(profile: Profile, *xs: float, spacing: float = 1.0) -> list[float]:
    return profile.at(doubles(*xs), torch.full((len(xs),), spacing, dtype=torch.float64)).tolist()


def test_between_two_points_the_larger_counts() -> None:
    assert at(STEPS, 0.5, 1.5) == [5, 5]


def test_beyond_the_ends_the_end_counts() -> None:
    assert at(STEPS, -100.0, -math.inf) == [1, 1]
    assert at(Profile(doubles(0, 1, 2), doubles(1, 2, 7), doubles(0, 0, 0)), 100.0, math.inf) == [7, 7]


def test_what_is_excused_in_absolute_terms_counts_in_the_ulps_of_the_place_and_near_the_point_alone() -> None:
    profile = Profile(doubles(0, 1, 2), doubles(1, 1, 1), doubles(1e-6, 0, 0))
    assert at(profile, 0.01, 0.5, spacing=1e-8) == [100, 1]
    assert at(profile, 0.01, spacing=1e-3) == [1]


def test_any_shape_may_be_asked_for() -> None:
    x = torch.zeros(2, 3, dtype=torch.float64).t()
    assert STEPS.at(x, torch.ones(())).shape == (3, 2)


def test_neighbours_share_the_largest_deviation_on_both_sides() -> None:
    x = torch.arange(30.0, dtype=torch.float64)
    ulps = torch.where(x == 15, 9.0, 1.0)
    shuffled = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    profile = Profile.along(x[shuffled], ulps[shuffled], torch.zeros_like(x))
    assert torch.equal(profile.x, x)
    assert torch.equal(profile.ulps, torch.where((x - 15).abs() <= WINDOW, 9.0, 1.0))


NEAR_AND_FAR = doubles(0.0, 0.01, 0.02, 5.0, 6.0)
DEVIATIONS = doubles(0, 3, 0, 7, 0)


def test_absolute_deviations_are_shared_only_with_neighbours_that_lie_near() -> None:
    profile = Profile.along(NEAR_AND_FAR, doubles(1, 1000, 1, 1000, 1), DEVIATIONS)
    # 6 lies 1 from 5, and 0.05 · (1 + 6) is less.
    assert profile.absolute.tolist() == [3, 3, 3, 7, 0]


def test_where_nothing_cancels_nothing_is_excused_in_absolute_terms() -> None:
    profile = Profile.along(NEAR_AND_FAR, torch.ones_like(NEAR_AND_FAR), DEVIATIONS)
    assert not profile.absolute.any()


def test_fewer_points_than_a_window_share_all() -> None:
    profile = Profile.along(doubles(3, 1, 2), doubles(1, 5, 2), doubles(0, 0, 0))
    assert profile.x.tolist() == [1, 2, 3]
    assert profile.ulps.tolist() == [5, 5, 5]


def test_at_infinity_and_nan_there_is_no_spacing_and_no_absolute_term() -> None:
    cancelling = Profile(doubles(-1, 0, math.inf), doubles(1, 50, 2), doubles(0, 1e-3, 1.0))
    found = cancelling.at(doubles(math.inf, -math.inf, math.nan), doubles(math.nan, math.nan, math.nan))
    assert found.isfinite().all()
