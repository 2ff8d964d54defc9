from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from gradgauge.records import Record, Verdict
from gradgauge.report import write_report
from gradgauge.report.blocks import Cell, Mark, Table
from gradgauge.report.budgets import ErrorBudgets
from gradgauge.report.data import RunData
from gradgauge.report.tables.accuracy import accuracy_tables
from gradgauge.report.tables.matrix import matrix_tables
from gradgauge.report.tables.proofs import budgets_table, exactness_table
from gradgauge.report.tables.slopes import slopes_table
from gradgauge.report.tables.worst import worst_table
from tests.report import synthetic
from tests.report import synthetic_gradients as made
from tests.report.page import read, without_scripts
from tests.report.synthetic import write_run
from tests.report.synthetic_gradients import cell, cells, judged


def said(found: Cell) -> str:
    """Return a cell's text and note as a reader sees them."""
    parts = (
        part if isinstance(part, str) else f"{part.symbol} {part.text}" if isinstance(part, Mark) else part.text
        for part in found.text
    )
    return f"{''.join(parts).strip()}|{found.note}" if found.note else "".join(parts).strip()


def row_of(table: Table, head: str) -> dict[str, Cell]:
    (row,) = [row for row in table.rows if row[0].text == (head,)]
    return {column.title: found for column, found in zip(table.columns, row, strict=True)}


def sections(parent: Path, records: Iterable[Record], **changes: object) -> dict[str, str]:
    folder = write_run(parent, list(records), [], **changes)
    return read(write_report(folder).read_text(encoding="utf-8")).sections


def budgets(parent: Path, records: Iterable[Record], **changes: object) -> ErrorBudgets:
    return ErrorBudgets.of(RunData.load(write_run(parent, list(records), [], **changes)))


def test_one_red_cell_in_a_green_matrix_says_metric_and_detail() -> None:
    (table,) = matrix_tables([record for record in made.records() if record.case.function == "relu"])
    loud = [
        (row[0].text[0], column.title)
        for row in table.rows
        for column, found in zip(table.columns, row, strict=True)
        if found.tone == "bad"
    ]
    assert loud == [("strided cotangent", "where · eager")]
    red = row_of(table, "strided cotangent")["where · eager"]
    assert said(red) == "✗ gradient_max_ulp|off for x > 0"
    assert said(row_of(table, "strided cotangent")["reference · eager"]) == "✓"
    assert said(row_of(table, "strided input")["reference · compiled"]) == "—"


def test_a_kind_that_nobody_has_heard_of_has_its_row() -> None:
    records = [
        *cells("relu", "where/eager"),
        cell(judged("relu", "where/eager"), "overwritten", "upside down", "writes into its input 0"),
    ]
    (table,) = matrix_tables(records)
    assert said(row_of(table, "upside down")["where · eager"]) == "✗ overwritten|writes into its input 0"


def test_gradcheck_and_slopes_stand_last_in_the_matrix() -> None:
    slope = Record(
        "gradients",
        judged("relu", "where/eager"),
        "kink_slope",
        -1.0,
        "1",
        Verdict.FAIL,
        "gradient -1 lies outside",
        labels={"kink": "x = 0"},
    )
    wrong = {("gradcheck", "smooth"): "gradcheck: GradcheckError: Jacobian mismatch"}
    (table,) = matrix_tables([slope, *cells("relu", "where/eager", wrong)])
    assert [row[0].text[0] for row in table.rows][-2:] == ["slopes at kinks", "smooth"]
    assert said(table.rows[-2][1]) == "✗ kink_slope|gradient -1 lies outside"
    assert said(table.rows[-1][1]) == "✗ gradcheck|GradcheckError: Jacobian mismatch"


def test_a_fault_is_told_in_full_once_and_by_name_below() -> None:
    (table,) = matrix_tables(list(made.published()))
    notes = [row[1].note for row in table.rows if row[1].tone == "warn"]
    assert notes[0] == made.SIGN
    assert set(notes[1:]) == {"the sign is wrong", made.LOST, "NaN"}


def test_a_fault_of_one_dtype_says_so() -> None:
    right, wrong = (judged("relu", "where/eager", dtype) for dtype in ("float32", "bfloat16"))
    (table,) = matrix_tables([cell(right, "value_max_ulp", "random"), cell(wrong, "value_max_ulp", "random", "raised")])
    assert table.rows[0][1].note == "raised\nin bfloat16 only"


def test_many_techniques_are_several_tables_modes_apart() -> None:
    names = [f"t{index}/{mode}" for mode in ("eager", "compiled") for index in range(7)]
    tables = matrix_tables([cell(judged("relu", name), "value_max_ulp", "random") for name in names])
    columns = [[column.title for column in table.columns[1:]] for table in tables]
    assert [len(titles) for titles in columns] == [4, 3, 4, 3]
    assert [name for titles in columns for name in titles] == [name.replace("/", " · ") for name in names]
    assert [bool(table.caption) for table in tables] == [True, False, False, False]


def test_what_could_not_be_judged_is_neither_right_nor_wrong() -> None:
    none = replace(
        cell(judged("relu", "where/compiled"), "value_max_ulp", "random"), value=None, verdict=Verdict.UNSUPPORTED
    )
    (table,) = matrix_tables([none, cell(judged("relu", "where/eager"), "value_max_ulp", "random")])
    assert said(row_of(table, "random")["where · compiled"]) == "∅"
    assert row_of(table, "random")["where · compiled"].tone == "plain"


def test_a_failure_without_a_kind_is_not_lost_from_the_matrix() -> None:
    lost = Record(
        "gradients", judged("relu", "where/eager"), "value_max_ulp", None, "ulp", Verdict.CRASHED, "killed by signal 11"
    )
    (table,) = matrix_tables([lost, *cells("relu", "where/eager")])
    assert said(row_of(table, "no kind told")["where · eager"]) == "✗ value_max_ulp|killed by signal 11"


def test_figures_that_are_not_judged_color_no_cell() -> None:
    case = judged("relu", "where/eager")
    open_ = replace(cell(case, "value_zero_sign", "kinks", "a convention: 1 of 8"), verdict=Verdict.MEASURED)
    (table,) = matrix_tables([made.figure(case, "value_max_abs", 9e9), open_, cell(case, "value_max_ulp", "kinks")])
    assert [said(found) for found in table.rows[0]] == ["kinks", "✓"]


def test_runs_that_tell_no_kinds_have_no_matrix(standard_html: str) -> None:
    assert matrix_tables(list(synthetic.gradient_records())) == []
    assert "Kind of input" not in standard_html


def test_budgets_come_from_the_reference_s_records_by_dtype_and_input(parent: Path) -> None:
    records = [made.budget("relu", "gradient", 0.5), made.budget("relu", "gradient", 12.0, "bfloat16")]
    other = replace(records[0], value=3.0, labels={"input": "y"})
    found = budgets(parent, [*records, other], catalog=made.catalog())
    assert found.ulp("relu", "float32", "gradient", "x") == 0.5
    assert found.ulp("relu", "float32", "gradient", "y") == 3.0
    assert found.ulp("relu", "float32", "gradient") == 3.0
    assert found.ulp("relu", "bfloat16", "gradient", "x") == 12.0
    assert found.ulp("relu", "float32", "value") is None


def test_budgets_of_older_runs_are_the_functions_own(parent: Path) -> None:
    assert budgets(parent, []).ulp("relu", "float64", "gradient", "x") == 4.0
    assert "budget 4 ulp" in sections(parent / "page", synthetic.gradient_records())["gradients"]


def test_the_worst_error_stands_beside_its_derived_budget(parent: Path) -> None:
    records = [record for record in made.records() if record.case.function == "ternary_activation"]
    table = worst_table("ternary_activation", records, budgets(parent, records, catalog=made.catalog()))
    assert table is not None
    notes = {column.title: column.note for column in table.columns}
    assert notes["gradient, float32"] == "budget 12 ulp"
    assert notes["value, bfloat16"] == "budget 3 ulp"
    wrong = row_of(table, "published · eager")["gradient, float32"]
    assert said(wrong) == "△ 3.25 × 10⁷ △ finiteness|expected-fail · random"
    assert wrong.tone == "warn"
    assert said(row_of(table, "reference · eager")["gradient, float32"]) == "✓ 0.5"


def test_a_nan_shows_in_the_table_where_every_error_is_small(parent: Path) -> None:
    records = list(
        cells(
            "relu", "where/eager", {("value_nonfinite", "nonfinite"): "1 of 3 elements; zero for x = NaN; at (nan): 0"}
        )
    )
    table = worst_table("relu", records, budgets(parent, records))
    assert table is not None
    found = row_of(table, "where · eager")["value, float32"]
    assert said(found) == "✓ 0.5 ✗ finiteness"
    assert found.tone == "bad"
    assert row_of(table, "where · eager")["gradient, float32"].tone == "plain"


@pytest.mark.parametrize(("value", "told"), [(0.4, "✓ 0.4"), (3.05, "✓ 3.05|64x64: more is excused there")])
def test_an_error_above_the_budget_that_passed_says_why(parent: Path, value: float, told: str) -> None:
    record = replace(cell(judged("relu", "where/eager"), "gradient_max_ulp", "random", input="x"), value=value)
    table = worst_table(
        "relu", [record], budgets(parent, [made.budget("relu", "gradient", 0.5)], catalog=made.catalog())
    )
    assert table is not None
    assert said(table.rows[0][2]) == told


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        ("the check raised RuntimeError: always", "✗ no value"),
        ("inf ulp where 1 are excused (the value is inf)", "✗ no finite value"),
    ],
)
def test_a_call_that_raised_has_no_value_and_an_infinite_error_no_finite_one(
    parent: Path, detail: str, told: str
) -> None:
    record = replace(cell(judged("relu", "where/eager"), "value_max_ulp", "random", detail), value=None)
    table = worst_table("relu", [record], budgets(parent, []))
    assert table is not None
    assert said(table.rows[0][1]).startswith(told)


def test_a_budget_s_proof_of_power_is_told_and_one_without_power_is_red(parent: Path) -> None:
    records = [made.budget("relu", "gradient", 0.5, times=64.0), made.budget("relu", "value", 99.0, times=0.3)]
    table = budgets_table("relu", records, budgets(parent, records))
    assert table is not None
    assert said(row_of(table, "gradient of x")["float32"]) == "✓ 0.5 ulp|1.6 % too much: 64 ×"
    weak = row_of(table, "value")["float32"]
    assert (said(weak), weak.tone) == ("✗ 99 ulp|1.6 % too much: 0.3 ×", "bad")
    assert "of zeros, a constant and a relative fault" in table.caption


def test_a_proof_in_other_words_is_shown_as_it_is(parent: Path) -> None:
    record = replace(made.budget("relu", "value", 0.5), detail="stated by the function")
    table = budgets_table("relu", [record], budgets(parent, [record]))
    assert table is not None
    assert table.rows[0][1].note == "stated by the function"
    assert table.caption.endswith("it errs by.")


def test_the_reference_against_50_digits_is_told() -> None:
    table = exactness_table([made.exactness("relu"), made.exactness("relu", 9.0, Verdict.FAIL)])
    assert table is not None
    assert [said(row[1]) for row in table.rows] == ["✓ 0.854 ulp", "✗ 9 ulp"]
    assert [row[1].tone for row in table.rows] == ["plain", "bad"]
    assert said(table.rows[0][2]).startswith("523 points; largest error at (5.11421)")


def test_of_cosines_the_smallest_is_the_worst_and_relative_errors_are_no_factors() -> None:
    case = judged("relu", "where/eager")
    cosines = [
        made.figure(replace(case, shape=shape), "gradient_cosine", value)
        for shape, value in (("4", 1.0), ("8", 1 - 2**-52))
    ]
    values, gradients = accuracy_tables([*cosines, made.figure(case, "value_max_rel", 5.9e-8, "ratio")])
    assert said(gradients.rows[0][2]) == "1 − 2.2 × 10⁻¹⁶"
    assert said(values.rows[0][2]) == "5.9 × 10⁻⁸"


def test_judged_counts_are_no_further_figures_where_kinds_are_told() -> None:
    case = judged("relu", "where/eager")
    assert accuracy_tables([cell(case, "value_nonfinite", "random")]) == []
    (old,) = accuracy_tables([synthetic.agreement(case, "gradient_nonfinite", 3, Verdict.FAIL, input="x")])
    assert said(old.rows[0][2]) == "✗ 3"


def test_slopes_alike_in_all_dtypes_and_shapes_are_one_row() -> None:
    taken = [
        Record(
            "gradients",
            judged("relu", "where/eager", dtype, shape),
            "kink_slope",
            slope,
            "1",
            Verdict.PASS,
            labels={"kink": "x = 0"},
        )
        for dtype, slope in (("float32", 1.0), ("bfloat16", 1.0), ("float16", 0.5))
        for shape in ("4", "8")
    ]
    table = slopes_table(None, taken)
    assert table is not None
    assert [(said(row[0]), said(row[2])) for row in table.rows] == [
        ("where · eager|float32, bfloat16, 2 shapes", "✓ 1"),
        ("where · eager|float16, 2 shapes", "✓ 0.5"),
    ]


def test_nothing_of_the_suite_is_left_for_the_section_of_other_metrics(parent: Path) -> None:
    names = sorted({record.metric for record in made.records()})
    metrics = {name: synthetic.metric("", None, "") for name in names}
    folder = write_run(parent, made.records(), [], catalog=made.catalog(), metrics=metrics)
    html = write_report(folder).read_text(encoding="utf-8")
    assert 'id="other"' not in html
    assert 'id="atlas"' in html
    assert len(without_scripts(html).encode()) < 150_000


def test_the_kinds_of_input_are_explained(parent: Path) -> None:
    shown = sections(parent, made.records(), catalog=made.catalog())["gradients"]
    assert "all forwards, then all backwards" in shown
    assert "gradcheck and gradgradcheck, in float64" in shown


def test_a_failure_of_a_budget_is_wrong(parent: Path) -> None:
    shown = sections(parent, [made.budget("relu", "value", 99.0, times=0.3)])
    assert "value_budget_ulp" in shown["failures"]
    assert "wrongvalue_budget_ulp: " in shown["summary"]
