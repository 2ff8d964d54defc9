"""Medians and their intervals, from order statistics (no torch, no distribution assumed)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from statistics import median


@dataclass(frozen=True)
class Estimate:
    """A median with its interval of at least 95 % confidence, null where the samples are too few for one."""

    value: float
    low: float | None
    high: float | None
    samples: int


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


def _interval_rank(count: int, confidence: float) -> int:
    # In exact integers: thousands of rounds would overflow a float of 2**count.
    allowed = Fraction(1 - confidence).limit_denominator(10**6) * 2**count / 2
    rank, below, term = 0, 0, 1
    while below + term <= allowed:
        below += term
        rank += 1
        term = comb(count, rank)
    return rank
