from __future__ import annotations

import doctest

import pytest

from gradgauge.report import curves, formatting, labels
from gradgauge.report.figures import scales
from gradgauge.report.sections import environment


@pytest.mark.parametrize("module", [formatting, scales, environment, curves, labels])
def test_the_examples_of_the_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_the_modules_of_which_examples_are_expected_have_some() -> None:
    assert doctest.testmod(formatting).attempted >= 10


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "s", "—"),
        (0, "s", "0 s"),
        (3.4e-6, "s", "3.40 µs"),
        (9.996e-7, "s", "1.00 µs"),
        (4.2e-11, "s", "0.04 ns"),
        (1023, "byte", "1,023 B"),
        (1024, "byte", "1.0 KiB"),
        (1024**2 - 1, "byte", "1.0 MiB"),
        (1.5, "byte", "1.5 B"),
        (0, "count", "0"),
        (2, "count", "2"),
        (-0.5, "", "-0.5"),
        (1e300, "ulp", "1 × 10³⁰⁰ ulp"),
        (7.25, "furlong", "7.25 furlong"),
        (2.4e12, "byte/s", "2.40 TB/s"),
        (0, "byte/s", "0 B/s"),
        (None, "byte/s", "—"),
        (12.0, "flop/s", "12.0 FLOP/s"),
        (1e300, "flop/s", "1 × 10²⁸⁸ TFLOP/s"),
    ],
)
def test_quantity(value: float | None, unit: str, shown: str) -> None:
    assert formatting.quantity(value, unit) == shown


def test_an_interval_keeps_one_unit_across_a_power_of_ten() -> None:
    assert formatting.interval(0.9e-3, 1.1e-3, "s") == "0.90–1.10 ms"


def test_an_interval_of_rates_has_one_unit() -> None:
    assert formatting.interval(0.98e12, 1.02e12, "byte/s") == "0.98–1.02 TB/s"


@pytest.mark.parametrize(
    ("share", "shown"), [(0.0995, "10 %"), (0.0994, "9.9 %"), (-0.12, "-12 %"), (1e9, "1 × 10¹¹ %")]
)
def test_a_share_in_percent(share: float, shown: str) -> None:
    assert formatting.percent(share) == shown


def test_no_interval_is_shown_where_an_end_is_unknown() -> None:
    assert formatting.interval(None, 2.0, "ratio") == formatting.interval(1.0, None, "s") == ""


@pytest.mark.parametrize(("value", "shown"), [(1.7976931348623157e308, "∞ ulp"), (-1.7976931348623157e308, "−∞ ulp")])
def test_what_rounds_to_infinity_is_shown_as_that(value: float, shown: str) -> None:
    assert formatting.quantity(value, "ulp") == shown


def test_missing_is_never_zero() -> None:
    assert formatting.quantity(None, "byte") != formatting.quantity(0, "byte")
