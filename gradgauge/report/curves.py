"""What a curve shows against the reference's: where it is not finite, where it visibly differs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gradgauge.records import Series
from gradgauge.report.formatting import MISSING, listed, ulps

Range = tuple[float, float]
_RELATIVE = 0.01


@dataclass(frozen=True)
class CurveFinding:
    """Ranges of x. not_finite: no finite y; differs: finite, and visibly off the reference's finite y.

    Visibly: by more than 1 % of it, and of the curve's height (of 1, where that is higher).
    """

    not_finite: tuple[Range, ...]
    differs: tuple[Range, ...]

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to say."""
        return not self.not_finite and not self.differs

    def sentence(self, what: str) -> str:
        """Return the finding in words, for instance of `f′`."""
        if self.is_clean:
            return f"{what} follows the reference"
        said = [f"{what} is visibly wrong for {_ranges(self.differs)}"] if self.differs else []
        said += [f"{what} is not finite for {_ranges(self.not_finite)}"] if self.not_finite else []
        return "; ".join(said)


@dataclass(frozen=True)
class ErrorCurve:
    """By how many ulps a curve errs, and by how many it may, point by point: none where the run does not say."""

    curve: Series
    budget_ulp: tuple[float, ...] = ()

    @property
    def points(self) -> tuple[tuple[float, float, float], ...]:
        """Return inputs, errors (NaN where there is none to speak of) and budgets (infinite where unknown)."""
        budgets = self.budget_ulp or (math.inf,) * len(self.curve.x)
        return tuple(
            point for point in zip(self.curve.x, self.curve.y, budgets, strict=True) if not math.isnan(point[0])
        )

    @property
    def largest_ulp(self) -> float | None:
        """Return the largest error; None where there is none."""
        return max((y for _, y, _ in self.points if not math.isnan(y)), default=None)

    @property
    def is_beyond(self) -> bool:
        """Whether an error is above its budget."""
        return any(y > budget for _, y, budget in self.points)

    @property
    def largest_in_words(self) -> str:
        """Return the largest error with its unit."""
        largest = self.largest_ulp
        return MISSING if largest is None else ulps(largest)

    def complaint(self, what: str) -> str:
        """Return that the error is above the budget, in words: where it is so by the largest factor."""
        x, y, budget = max((point for point in self.points if point[1] > point[2]), key=severity)
        return f"{what} errs by {ulps(y)} where {ulps(budget)} are excused, at x = {_short(x)}"


def severity(point: tuple[float, float, float]) -> tuple[float, float]:
    """Return by which an error of some ulps at an input is worse than another: the factor of its budget, then itself.

    >>> severity((0.5, 6.0, 4.0)), severity((0.5, 6.0, 0.0))
    ((1.5, 6.0), (inf, 6.0))
    """
    _, error, budget = point
    return error / budget if budget > 0 else math.copysign(math.inf, error), error


def examine(curve: Series, reference: Series | None, kinks: tuple[float, ...] = ()) -> CurveFinding:
    """Return where a curve is not finite and where it differs from the reference at the same x.

    At a kink itself every slope in between is a convention, so the point is passed over. The difference is
    measured against the reference's own y, or against its largest (at most 1) where y is small: tails are not judged.
    """
    known = dict(zip(reference.x, reference.y, strict=True)) if reference else {}
    points = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if not math.isnan(x)]
    finite = [abs(y) for y in known.values() if not math.isnan(y)]
    floor = min(1.0, max(finite, default=0.0))
    # Where the reference's curve is not finite either, as where exp overflows, that is the function.
    lost = [math.isnan(y) and not math.isnan(known.get(x, 0.0)) for x, y in points]
    off = [not math.isnan(y) and x not in kinks and _differs(y, known.get(x, math.nan), floor) for x, y in points]
    xs = [x for x, _ in points]
    return CurveFinding(_runs(xs, lost), _runs(xs, off))


def _differs(y: float, reference_y: float, floor: float) -> bool:
    return abs(y - reference_y) > _RELATIVE * max(abs(reference_y), floor)


def _runs(xs: list[float], flags: list[bool]) -> tuple[Range, ...]:
    found: list[Range] = []
    open_ = False
    for x, flag in sorted(zip(xs, flags, strict=True)):
        if flag:
            found = [*found[:-1], (found[-1][0], x)] if open_ else [*found, (x, x)]
        open_ = flag
    return tuple(found)


def _ranges(ranges: tuple[Range, ...]) -> str:
    shown = [f"x = {_short(low)}" if low == high else f"{_short(low)} ≤ x ≤ {_short(high)}" for low, high in ranges]
    return listed(shown) if len(shown) <= 4 else f"{len(shown)} ranges from {shown[0]} to {shown[-1]}"


def _short(value: float) -> str:
    return f"{value:.4g}".replace("-", "−").replace("e+0", "e").replace("e+", "e")
