from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gradgauge.cases import Case
from gradgauge.records import Series
from gradgauge.report import write_report
from gradgauge.report.curves import ErrorCurve
from gradgauge.report.figures.error_plot import _largest
from tests.report import synthetic
from tests.report import synthetic_gradients as made
from tests.report.page import read
from tests.report.synthetic import write_run

NAN = float("nan")


def error_curve(ys: list[float], budgets: list[float] | None = None, *, is_known: bool = True) -> ErrorCurve:
    case = Case("f", "mine", "eager", "", "cpu", "float32", "")
    along = tuple(budgets or [1.0] * len(ys)) if is_known else ()
    return ErrorCurve(Series(case, "value_error", tuple(map(float, range(len(ys)))), tuple(ys)), along)


def page_of(parent: Path, error: Callable[[float], float], *, with_budget: bool = True) -> tuple[str, str]:
    records = [made.budget("relu", "gradient", 0.5), made.budget("relu", "value", 0.5)] if with_budget else []
    folder = write_run(parent, records, list(made.curves_with_errors(error)), catalog=made.catalog())
    html = write_report(folder).read_text(encoding="utf-8")
    return html, read(html).sections["functions"]


def test_the_largest_error_passes_over_what_has_none() -> None:
    assert error_curve([0.5, NAN, 3.0, 1.0]).largest_ulp == 3.0
    assert error_curve([NAN, NAN]).largest_ulp is None
    assert not error_curve([NAN]).is_beyond


def test_an_error_at_the_budget_is_within_it_and_without_a_budget_nothing_is_beyond() -> None:
    assert not error_curve([1.0]).is_beyond
    assert error_curve([1.25]).is_beyond
    assert not error_curve([9e9], is_known=False).is_beyond


def test_every_error_is_held_against_the_budget_of_its_own_point() -> None:
    curve = error_curve([50.0, 1.0, 3.0], [60.0, 0.5, 4.0])
    assert curve.largest_ulp == 50.0
    assert curve.is_beyond
    assert curve.complaint("f′") == "f′ errs by 1 ulp where 0.5 ulp are excused, at x = 1"
    assert not error_curve([50.0, 1.0, 3.0], [60.0, 1.0, 4.0]).is_beyond


def test_thinning_keeps_the_largest_error() -> None:
    ys = [0.1] * 5000
    ys[1234] = 7.0
    thinned = _largest(error_curve(ys))
    assert len(thinned) <= 180
    assert (1234.0, 7.0, 1.0) in thinned


def test_each_curve_has_a_panel_of_its_error_with_the_budget_dashed(parent: Path) -> None:
    html, shown = page_of(parent, lambda x: 0.25)
    assert html.count("error of f, ulp</text>") == html.count("error of f′, ulp</text>") == 2
    assert "✓ follows the reference; at most 0 ulp in f, 0.25 ulp in f′ off the oracle" in shown
    assert "the budget of an error" in shown
    assert len(re.findall(r"stroke-dasharray:4", html)) == 4


def test_without_a_budget_no_line_is_dashed(parent: Path) -> None:
    html, shown = page_of(parent, lambda x: 0.25, with_budget=False)
    assert html.count("error of f′, ulp</text>") == 2
    assert "stroke-dasharray: 4" not in html
    assert "0.25 ulp in f′ off the oracle" in shown


def test_an_error_above_the_budget_is_red_and_said_though_no_eye_would_see_it(parent: Path) -> None:
    html, shown = page_of(parent, lambda x: 1.7e5 if x > 2 else 0.0)
    assert "✗ f′ errs by 1.7 × 10⁵ ulp where 0.5 ulp are excused, at x = " in shown
    assert html.count("panel-caption bad") == 1


def test_errors_at_the_ends_of_the_floats_are_drawn(parent: Path) -> None:
    html, _ = page_of(parent, lambda x: 1e308 if x > 0 else NAN)
    assert html.count("<svg role") == 2


def test_older_runs_without_errors_have_two_axes(standard_html: str) -> None:
    assert "error of f" not in standard_html
    assert "ulps, linear up to 1" not in standard_html


def test_a_curve_of_errors_alone_is_no_curve(parent: Path) -> None:
    lines = [replace(line, series="value_error") for line in synthetic.curves() if line.case.function == "relu"]
    shown = read(write_report(write_run(parent, made.records(), lines)).read_text(encoding="utf-8")).sections[
        "functions"
    ]
    assert "No curve was recorded for this function." in shown
