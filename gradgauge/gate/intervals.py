"""The interval of a case's log ratio, from processes and the pairs within them (no torch)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import fmean, median, stdev


@dataclass
class Evidence:
    """What was measured of a case so far.

    centres: one entry a process, the median over its pairs of log(candidate's round / baseline's round).
    baseline_s: the baseline's median seconds a call, one entry a process.
    """

    centres: list[float] = field(default_factory=list)
    baselines_s: list[float] = field(default_factory=list)
    pairs: int = 0

    def add(self, logs: Sequence[float], baseline_s: float) -> None:
        """Take in the pairs of one process. Raises ValueError where there are none."""
        if not logs:
            raise ValueError("a process without pairs says nothing")
        self.centres.append(median(logs))
        self.baselines_s.append(baseline_s)
        self.pairs += len(logs)

    @property
    def baseline_s(self) -> float:
        """Return the baseline's seconds a call."""
        return median(self.baselines_s)


@dataclass(frozen=True)
class Interval:
    """A log ratio with its interval; infinite bounds where there are too few processes for one."""

    centre: float
    low: float
    high: float

    @property
    def reach(self) -> float:
        """Return half the interval's width."""
        return (self.high - self.low) / 2


def interval_of(centres: Sequence[float], miss: float, stored: int | None = None, shift: float = 0.0) -> Interval:
    """Return the mean of the processes' centres with its interval, either bound of which misses with chance `miss`.

    Rounds of one process share its memory layout, so they are no independent samples of the ratio: processes are.
    Each process gives one number, the median of its pairs, and the interval is Student's over those numbers. What
    pairs vary within a process is in their spread. Source: Kalibera and Jones, "Rigorous benchmarking in reasonable
    time" (ISMM 2013), whose variance of the mean is that of the means of the highest level of repetition.

    stored: how many processes the baseline was measured in where it is a stored run, measured apart: their number
    adds to the variance as if they spread like the candidate's. shift: is added to all.
    Raises ValueError without a process.

    >>> round(interval_of([0.01, 0.03], 0.25).low, 9)
    0.01
    """
    centre = fmean(centres) + shift
    if len(centres) < 2:
        return Interval(centre, -math.inf, math.inf)
    share = 1 / len(centres) + (1 / stored if stored else 0.0)
    reach = t_quantile(1 - miss, len(centres) - 1) * stdev(centres) * math.sqrt(share)
    return Interval(centre, centre - reach, centre + reach)


@lru_cache(maxsize=1024)
def t_quantile(probability: float, freedom: int) -> float:
    """Return the quantile of Student's t distribution, for a probability above ½.

    P(T > t) is half of P(X < freedom / (freedom + t²)) for X of the beta distribution with freedom/2 and ½.

    >>> round(t_quantile(0.975, 5), 4)
    2.5706
    """
    if not 0.5 < probability < 1:
        raise ValueError(f"probability {probability} must lie between ½ and 1")
    x = beta_quantile(2 * (1 - probability), freedom / 2, 0.5)
    return math.sqrt(freedom * (1 - x) / x)


def share_interval(count: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a share of which `count` in `of` were seen: of at least that confidence, whatever it is.

    Source: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial"
    (Biometrika 26, 1934). Raises ValueError where nothing was looked at.

    >>> [round(bound, 4) for bound in share_interval(0, 150)]
    [0.0, 0.0243]
    """
    if not 0 <= count <= of or of == 0:
        raise ValueError(f"{count} of {of} is no share")
    miss = (1 - confidence) / 2
    low = beta_quantile(miss, count, of - count + 1) if count else 0.0
    high = beta_quantile(1 - miss, count + 1, of - count) if count < of else 1.0
    return low, high


def beta_quantile(probability: float, a: float, b: float) -> float:
    """Return where the regularized incomplete beta function of a and b comes to `probability`."""
    from mpmath import mp  # type: ignore[import-untyped]  # it ships no types

    # It rises from 0 at 0 to 1 at 1; halved on a log scale, as far quantiles of t lie close to 0.
    low, high = 1e-300, 1.0
    while high / low > 1 + 1e-12:
        middle = math.sqrt(low * high)
        below = float(mp.betainc(a, b, 0, middle, regularized=True)) < probability
        low, high = (middle, high) if below else (low, middle)
    return high
