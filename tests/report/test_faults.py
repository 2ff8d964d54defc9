from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gradgauge.records import Record, Verdict
from gradgauge.report import summary_lines, write_report
from gradgauge.report.faults import faults_of, natures
from tests.report import synthetic
from tests.report import synthetic_gradients as made
from tests.report.page import read
from tests.report.synthetic import write_run
from tests.report.synthetic_gradients import cell, judged, published, spot

CASE = judged("relu", "where/eager")


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        (made.SIGN_DETAIL, [made.SIGN]),
        (made.LOST_DETAIL, [made.LOST]),
        (
            "9 ulp where 12 are excused; the sign is wrong for −10.3 ≤ x < −5, zero for x ≥ 10; at (1): 2",
            ["the sign is wrong for −10.3 ≤ x < −5", "zero for x ≥ 10"],
        ),
        (
            "9 ulp where 1 are excused; NaN for 3 of 9 elements, x from 1 to 2, 0.5 times what is right for x > 0",
            ["NaN for 3 of 9 elements, x from 1 to 2", "0.5 times what is right for x > 0"],
        ),
        ("9 ulp where 0.5 are excused; at (1, 2): 3 where 4 is right", ["at (1, 2): 3 where 4 is right"]),
        ("the check raised RuntimeError: always, also for shape (4, 4)", None),
        ("writes into its input 0, which belongs to the caller", None),
        ("gradcheck: GradcheckError: Jacobian mismatch", None),
        ("", ["gradient_max_ulp fail"]),
    ],
)
def test_the_nature_of_a_fault_is_read_from_its_detail(detail: str, told: list[str] | None) -> None:
    record = replace(cell(CASE, "gradient_max_ulp", "random", "x"), detail=detail)
    expected = replace(record, detail=f"{detail} — expected: {made.REASON}")
    assert natures(record) == (told or [detail])
    assert natures(expected)[0].startswith((told or [detail])[0])


def test_a_metric_is_not_said_twice() -> None:
    record = cell(CASE, "gradcheck", "smooth", "gradcheck: GradcheckError: mismatch.")
    assert natures(record) == ["GradcheckError: mismatch"]


def test_many_records_of_one_fault_are_one_and_the_clearest_tells_it() -> None:
    found = [
        cell(
            judged("relu", "where/eager", dtype),
            "gradient_max_ulp",
            kind,
            f"{size} ulp where 1 are excused; off for x > {size}",
        )
        for dtype in ("float16", "bfloat16", "float32")
        for size, kind in enumerate(("0-d", "strided input", "random", "edges"), 5)
    ]
    (fault,) = faults_of(found)
    assert fault.what == "off for x > 7"
    assert (fault.record.case.dtype, fault.record.labels["kind"]) == ("float32", "random")
    assert len(fault.records) == 12
    assert fault.extent == "random, float32; also in 3 other kinds of input and float16 and bfloat16"


def test_two_natures_and_two_metrics_are_faults_of_their_own_each_metric_s_commonest_first() -> None:
    found = [
        cell(CASE, "gradient_max_ulp", "edges", "9 ulp where 1 are excused; zero for x = 3"),
        *(
            cell(CASE, "gradient_max_ulp", kind, "9 ulp where 1 are excused; off for x > 0")
            for kind in ("random", "kinks")
        ),
        cell(CASE, "gradient_nonfinite", "edges", "1 of 9 elements; NaN for x = 3"),
        cell(CASE, "value_max_ulp", "random", "9 ulp where 1 are excused; off for x > 0"),
    ]
    told = [(fault.metric, fault.name) for fault in faults_of(found)]
    assert told == [
        ("gradient_max_ulp", "off"),
        ("gradient_nonfinite", "NaN"),
        ("value_max_ulp", "off"),
        ("gradient_max_ulp", "zero"),
    ]


def test_places_of_an_atlas_are_one_fault_and_the_last() -> None:
    places = [made.spot(CASE, "atlas_gradient", str(place), 2.0, "1 is right") for place in range(9)]
    other = cell(CASE, "gradient_max_ulp", "random", "9 ulp where 1 are excused; off for x > 0")
    assert [fault.what for fault in faults_of([*places, other])] == [
        "off for x > 0",
        "wrong at 0, 1, 2, 3 and 5 more places",
    ]


def test_both_faults_of_the_published_code_are_told_as_measured(parent: Path) -> None:
    folder = write_run(parent, made.records(), [], catalog=made.catalog())
    page = read(write_report(folder).read_text(encoding="utf-8"))
    assert f"gradient_max_ulp: {made.SIGN} (random, float32" in page.sections["gradients"]
    assert f"gradient_nonfinite: {made.LOST} (edges, float32" in page.sections["gradients"]
    assert f"{made.SIGN}; {made.LOST}It says itself: " in page.sections["summary"]
    assert f"ternary_activation: published ({made.SIGN}; {made.LOST})." in "\n".join(summary_lines(folder))


def test_what_is_said_of_the_published_code_is_measured_and_not_its_own_word(parent: Path) -> None:
    records = [replace(record, detail=record.detail.replace("x < −5", "x < −7")) for record in made.published()]
    shown = read(write_report(write_run(parent, records, [])).read_text(encoding="utf-8")).sections["summary"]
    assert "the sign is wrong for x < −7" in shown
    assert made.SIGN not in shown.partition("It says itself")[0]


def test_places_that_are_wrong_as_expected_are_no_reason(parent: Path) -> None:
    place = replace(spot(judged("ternary_activation", "published/eager"), "atlas_gradient", "−6", -0.2, "0.2 is right"))
    records = [*published(), replace(place, verdict=Verdict.EXPECTED_FAIL)]
    shown = read(write_report(write_run(parent, records, [])).read_text(encoding="utf-8")).sections["summary"]
    assert "0.2 is right" not in shown
    assert "wrong at" not in shown


def test_of_older_runs_the_implementation_s_own_word_is_told(parent: Path) -> None:
    records = [
        replace(record, detail="at (-5.0): 0.1 where -0.1 is right")
        if record.verdict is Verdict.EXPECTED_FAIL
        else record
        for record in synthetic.gradient_records()
    ]
    folder = write_run(parent, records, [])
    shown = read(write_report(folder).read_text(encoding="utf-8")).sections["summary"]
    assert f"published△\u00a0known to disagree{synthetic.REASON}" in shown
    assert "0.1 where -0.1 is right" not in shown
    assert "Disagree as they say themselves: ternary_activation: published." in "\n".join(summary_lines(folder))


def test_forty_records_of_one_failure_are_one_row_and_one_remark(parent: Path) -> None:
    wrong = [
        cell(
            judged("relu", "where/eager", shape=f"{size}x4"),
            "gradient_max_ulp",
            kind,
            f"{size} ulp where 1 are excused; off for x > {size}",
        )
        for size in range(2, 12)
        for kind in ("random", "kinks", "edges", "0-d")
    ]
    folder = write_run(parent, wrong, [])
    page = read(write_report(folder).read_text(encoding="utf-8"))
    assert page.sections["failures"].count("where · eager") == 1
    assert "40 records" in page.sections["failures"]
    assert "10 shapes, 4 kinds of input" in page.sections["failures"]
    (line,) = [line for line in summary_lines(folder) if "✗" in line]
    assert "more fault" not in line
    assert "also in 3 other kinds of input" in line


def test_crashes_of_different_causes_stay_apart(parent: Path) -> None:
    case = judged("relu", "where/eager")
    crashes = [
        Record("speed", replace(case, shape=shape), "time", None, "s", Verdict.CRASHED, detail)
        for shape, detail in (("4", "killed by signal 11"), ("8", "killed by signal 11"), ("16", "out of memory"))
    ]
    shown = read(write_report(write_run(parent, crashes, [])).read_text(encoding="utf-8")).sections["failures"]
    assert shown.count("killed by signal 11") == 1
    assert "2 shapes" in shown
    assert "out of memory" in shown
