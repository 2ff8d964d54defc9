from __future__ import annotations

import pytest

from gradgauge.statistics import Estimate, estimate_median, estimate_ratio


def test_no_samples_have_no_median() -> None:
    with pytest.raises(ValueError, match="no samples"):
        estimate_median([])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_below_six_samples_there_is_no_interval(count: int) -> None:
    estimate = estimate_median([float(index) for index in range(count)])
    assert (estimate.low, estimate.high, estimate.samples) == (None, None, count)


# k by hand: the largest with 2·P(Binomial(n, ½) < k) ≤ 0.05.
# n=6: 2·(1/64) = 0.031 → 1. n=8: 2·9/256 = 0.070 for k=2 → 1. n=9: 2·10/512 = 0.039 → 2.
# n=11: 2·12/2048 = 0.012, k=3: 2·67/2048 = 0.065 → 2. n=12: 2·79/4096 = 0.039 → 3. n=100: → 40 (as in the tables).
@pytest.mark.parametrize(("count", "rank"), [(6, 1), (7, 1), (8, 1), (9, 2), (11, 2), (12, 3), (20, 6), (100, 40)])
def test_the_interval_runs_between_the_hand_computed_order_statistics(count: int, rank: int) -> None:
    samples = [float(index) for index in range(1, count + 1)]
    estimate = estimate_median(samples[::-1])
    assert (estimate.low, estimate.high) == (rank, count + 1 - rank)


def test_the_median_of_an_even_number_lies_between_the_middle_two() -> None:
    assert estimate_median([4.0, 1.0, 3.0, 2.0]) == Estimate(2.5, None, None, 4)


def test_ties_and_a_wild_sample_move_no_bound_beyond_them() -> None:
    estimate = estimate_median([1.0] * 8 + [1e9])
    assert estimate == Estimate(1.0, 1.0, 1.0, 9)


def test_more_confidence_widens_the_interval() -> None:
    samples = [float(index) for index in range(30)]
    usual, sure = estimate_median(samples), estimate_median(samples, confidence=0.999)
    assert usual.low is not None
    assert sure.low is not None
    assert usual.high is not None
    assert sure.high is not None
    assert sure.low < usual.low
    assert sure.high > usual.high


def test_thousands_of_rounds_do_not_overflow() -> None:
    estimate = estimate_median([float(index) for index in range(5000)])
    # n/2 − 1.96·√n/2 = 2430.7: the normal approximation, to within one.
    assert estimate.low == pytest.approx(2430, abs=1)
    assert estimate.high == pytest.approx(2569, abs=1)


def test_a_ratio_is_that_of_the_same_turn_numerator_first() -> None:
    found = estimate_ratio([2.0, 8.0, 6.0], [1.0, 2.0, 2.0])
    assert (found.value, found.samples) == (3.0, 3)


def test_turns_that_one_side_lacks_do_not_count() -> None:
    assert estimate_ratio([2.0, 2.0, 2.0, 100.0], [1.0, 1.0, 1.0]).samples == 3


def test_turns_that_are_left_out_do_not_count_unless_they_are_most() -> None:
    above, below = [2.0, 2.0, 50.0, 2.0], [1.0] * 4
    assert estimate_ratio(above, below, {2}).samples == 3
    assert estimate_ratio(above, below, {2}).value == 2.0
    assert estimate_ratio(above, below, {0, 1, 3}).samples == 4


def test_the_interval_of_a_ratio_is_that_of_its_median() -> None:
    above, below = [float(turn) for turn in range(1, 12)], [1.0] * 11
    assert estimate_ratio(above, below) == estimate_median(above)


@pytest.mark.parametrize(
    ("low", "high", "precise"),
    [(98.0, 102.0, True), (97.9, 101.0, False), (99.0, 102.1, False), (None, 102.0, False), (100.0, 100.0, True)],
)
def test_both_bounds_must_lie_within_the_precision(low: float | None, high: float, precise: bool) -> None:
    assert Estimate(100.0, low, high, 9).is_within(0.02) is precise
