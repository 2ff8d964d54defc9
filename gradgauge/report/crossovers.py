"""Where one technique stops being the fastest and another begins, between two measured sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from gradgauge.report.formatting import number
from gradgauge.report.places import Place
from gradgauge.report.ranking import Contender, Ranking, Recommendation

Start = tuple[Place, str, str]
"""A place, a purpose and the smallest shape of a recommendation."""


@dataclass(frozen=True)
class Lead:
    """How far one technique is ahead of another at a size: ln(its speedup / the other's) with its 95 % interval.

    elements: of the output; time_s: the median time of the one that is ahead at the smaller size, if known.
    """

    elements: float
    log_ratio: float
    low: float
    high: float
    time_s: float | None = None


@dataclass(frozen=True)
class Crossover:
    """At how many elements `after` becomes faster than `before`, with its 95 % interval.

    The interval never leaves the two measured sizes, `measured`, that it lies between.
    """

    before: str
    after: str
    elements: float
    low: float
    high: float
    measured: tuple[float, float]

    @property
    def is_open(self) -> bool:
        """Whether no more is known than the two sizes between which it lies."""
        return (self.low, self.high) == self.measured

    @property
    def text(self) -> str:
        """Return it in words: `about 13,000 elements (12,000–15,000)`, `between 4,096 and 65,536 elements`."""
        if self.is_open:
            return f"between {number(self.low)} and {number(self.high)} elements"
        low, high = (_rounded(bound, up=up) for bound, up in ((self.low, False), (self.high, True)))
        return f"about {number(float(f'{self.elements:.2g}'))} elements ({number(low)}–{number(high)})"


def crossover(before: str, after: str, small: Lead, large: Lead) -> Crossover | None:
    """Return where the lead of `before` over `after` ends; None unless it leads at the smaller size alone.

    The logarithm of how many times as fast it is is interpolated over that of the elements. The bounds of its interval
    are, too, and where the times are known they are besides interpolated as costs a + b·n, of which that of a call is
    mostly made: the interval holds both answers, as sizes far apart do not tell which is right.
    """
    if not small.log_ratio > 0 > large.log_ratio or small.elements >= large.elements:
        return None
    growth = large.elements / small.elements
    shares = (*_both(small, large, small.low, large.low), *_both(small, large, small.high, large.high))
    at, *bounds = (
        min(max(small.elements * growth**share, small.elements), large.elements)
        for share in (_crossing(small.log_ratio, large.log_ratio), *shares)
    )
    return Crossover(before, after, at, min(bounds), max(bounds), (small.elements, large.elements))


def between(small: Ranking, large: Ranking) -> Crossover | None:
    """Return the crossover between neighbouring sizes; None where whoever leads at one leads, or may, at the other."""
    if set(small.names) & set(large.names) or not small.leaders or not large.leaders:
        return None
    before, after = small.names[0], large.names[0]
    leads = [_lead(ranking, before, after) for ranking in (small, large)]
    return crossover(before, after, leads[0], leads[1]) if leads[0] and leads[1] else None


def crossovers(found: list[Recommendation]) -> dict[Start, Crossover]:
    """Return where each recommendation takes over from the one for the next smaller sizes, if somebody does."""
    known = {
        (large.place, large.purpose, large.rankings[0].shape): between(small.rankings[-1], large.rankings[0])
        for small, large in pairwise(found)
        if (small.place, small.purpose) == (large.place, large.purpose)
    }
    return {start: crossing for start, crossing in known.items() if crossing}


def _lead(ranking: Ranking, before: str, after: str) -> Lead | None:
    """Return the lead at a size, the interval by Zou and Donner (2008) from those of the two speedups.

    These share the reference's rounds, whose scatter is so counted twice: the interval is rather too wide.
    """
    found = {one.technique: one for one in (*ranking.leaders, *ranking.rest)}
    first, second = found.get(before), found.get(after)
    if not (ranking.elements and first and second and min(first.speedup, second.speedup) > 0):
        return None
    lead = math.log(first.speedup / second.speedup)
    low = lead - math.hypot(_reach(first, first.low), _reach(second, second.high))
    high = lead + math.hypot(_reach(first, first.high), _reach(second, second.low))
    return Lead(ranking.elements, lead, low, high, first.time_s)


def _reach(one: Contender, bound: float) -> float:
    """Return how far a bound lies from the speedup, in logarithms; infinite where there is none."""
    return abs(math.log(bound / one.speedup)) if 0 < bound < math.inf else math.inf


def _both(small: Lead, large: Lead, first: float, last: float) -> list[float]:
    """Return where a lead that goes from `first` to `last` is zero, interpolated both ways, as shares of the way."""
    shares = [_crossing(first, last)]
    if small.time_s and large.time_s:
        gained_s, lost_s = small.time_s * math.expm1(first), -large.time_s * math.expm1(last)
        way = _crossing(gained_s, -lost_s)
        growth = large.elements / small.elements
        shares.append(math.log1p(way * (growth - 1)) / math.log(growth))
    return shares


def _crossing(first: float, last: float) -> float:
    """Return the share of the way from one number to another at which zero lies, the nearer end where it lies outside.

    >>> _crossing(1.0, -3.0), _crossing(-1.0, -3.0), _crossing(2.0, 1.0), _crossing(math.inf, -1.0)
    (0.25, 0.0, 1.0, 1.0)
    """
    if first <= 0:
        return 0.0
    if last >= 0 or math.isinf(first):
        return 1.0
    return 0.0 if math.isinf(last) else first / (first - last)


def _rounded(elements: float, *, up: bool) -> float:
    """Return a bound with two significant digits, rounded outwards.

    >>> _rounded(12345, up=False), _rounded(12345, up=True), _rounded(300, up=True)
    (12000.0, 13000.0, 300.0)
    """
    step = 10.0 ** (math.floor(math.log10(elements)) - 1)
    return (math.ceil(elements / step) if up else math.floor(elements / step)) * step
