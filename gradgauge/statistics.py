"""Medians and their intervals, from order statistics (no torch, no distribution assumed)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import comb
from statistics import median


@dataclass(frozen=True)
class Estimate:
    """A median with its interval of at least 95 % confidence, null where the samples are too few for one."""

    value: float
    low: float | None
    high: float | None
    samples: int

    def is_within(self, precision: float) -> bool:
        """Whether the interval lies within ± `precision`, a share of the value; never where there is no interval.

        >>> Estimate(100.0, 98.5, 101.9, 40).is_within(0.02)
        True
        """
        if self.low is None or self.high is None:
            return False
        reach = precision * abs(self.value)
        return self.value - self.low <= reach and self.high - self.value <= reach


def estimate_median(samples: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Return the median and its distribution-free interval.

    The interval runs between two order statistics x_(k) and x_(n+1−k), with the largest k whose coverage
    1 − 2·P(Binomial(n, ½) < k) is at least `confidence`; below 6 samples there is none at 95 %.
    Source: Le Boudec, "Performance Evaluation of Computer and Communication Systems" (2010), theorem 2.1.
    Raises ValueError when there are no samples.

    >>> estimate_median([5.0, 1.0, 2.0, 4.0, 3.0, 6.0])
    Estimate(value=3.5, low=1.0, high=6.0, samples=6)
    """
    if not samples:
        raise ValueError("no samples: there is no median of nothing")
    ordered = sorted(samples)
    rank = _interval_rank(len(ordered), confidence)
    low, high = (ordered[rank - 1], ordered[-rank]) if rank else (None, None)
    return Estimate(median(ordered), low, high, len(ordered))


def estimate_ratio(
    numerators: Sequence[float], denominators: Sequence[float], left_out: Collection[int] = ()
) -> Estimate:
    """Return the median of the ratios of what was measured in the same turn, with its interval.

    left_out: turns that do not count, unless they are most of them. Raises ValueError where there is no pair.

    >>> estimate_ratio([2.0, 9.0, 6.0], [1.0, 3.0, 3.0]).value
    2.0
    """
    return _estimate_pairs([above / below for above, below in zip(numerators, denominators, strict=False)], left_out)


def estimate_difference(
    minuends: Sequence[float], subtrahends: Sequence[float], left_out: Collection[int] = ()
) -> Estimate:
    """Return the median of the differences of what was measured in the same turn, as `estimate_ratio` does.

    >>> estimate_difference([2.0, 9.0, 6.0], [1.0, 3.0, 3.0]).value
    3.0
    """
    return _estimate_pairs([one - other for one, other in zip(minuends, subtrahends, strict=False)], left_out)


def _estimate_pairs(found: list[float], left_out: Collection[int]) -> Estimate:
    kept = [value for turn, value in enumerate(found) if turn not in left_out]
    return estimate_median(kept if 2 * len(kept) > len(found) else found)


@lru_cache(maxsize=4096)
def _interval_rank(count: int, confidence: float) -> int:
    # In exact integers: thousands of rounds would overflow a float of 2**count.
    allowed = Fraction(1 - confidence).limit_denominator(10**6) * 2**count / 2
    rank, below, term = 0, 0, 1
    while below + term <= allowed:
        below += term
        rank += 1
        term = comb(count, rank)
    return rank
