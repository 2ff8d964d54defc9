from __future__ import annotations

import math

from gradgauge.cases import Case
from gradgauge.records import Series
from gradgauge.report.curves import examine

NAN = math.nan
CASE = Case("f", "mine", "eager", "", "cpu", "float32", "")


def series(xs: list[float], ys: list[float]) -> Series:
    return Series(CASE, "gradient", tuple(xs), tuple(ys))


def test_a_wrong_sign_and_a_hole_are_ranges_of_their_own() -> None:
    xs = [-100.0, -9.0, -6.0, 0.0, 6.0, 100.0]
    finding = examine(series(xs, [NAN, -0.2, -0.3, 0.1, 0.3, NAN]), series(xs, [0.0, 0.2, 0.3, 0.1, 0.3, 0.0]))
    assert finding.differs == ((-9.0, -6.0),)
    assert finding.not_finite == ((-100.0, -100.0), (100.0, 100.0))
    assert finding.sentence("f′") == "f′ is visibly wrong for −9 ≤ x ≤ −6; f′ is not finite for x = −100 and x = 100"


def test_a_slope_at_a_kink_is_a_convention() -> None:
    xs = [-1.0, 0.0, 1.0]
    mine, reference = series(xs, [0.0, 1.0, 1.0]), series(xs, [0.0, 0.0, 1.0])
    assert examine(mine, reference, kinks=(0.0,)).is_clean
    assert examine(mine, reference).differs == ((0.0, 0.0),)


def test_where_the_reference_is_not_finite_itself_nothing_is_called_wrong() -> None:
    xs = [-1.0, 1.0]
    assert examine(series(xs, [5.0, 1.0]), series(xs, [NAN, 1.0])).is_clean


def test_an_x_that_is_missing_is_passed_over() -> None:
    assert examine(series([NAN, 1.0], [NAN, 1.0]), None).is_clean


def test_large_values_are_held_to_their_own_size() -> None:
    xs = [0.0, 0.5, 1e4]
    reference = series(xs, [0.0, 0.5, 1e4])
    assert examine(series(xs, [0.0, 0.6, 1e4 + 50]), reference).differs == ((0.5, 0.5),)
    assert examine(series(xs, [0.0, 0.5, 1e4 + 150]), reference).differs == ((1e4, 1e4),)
