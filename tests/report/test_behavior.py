from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from gradgauge.records import Record, Verdict
from gradgauge.report import summary_lines, write_report
from gradgauge.report.behavior import Matrix, matrices, questions
from gradgauge.report.blocks import Cell, Code, Heading, Mark
from gradgauge.report.data import RunData
from gradgauge.report.sections.behavior import render
from gradgauge.report.tables.behavior import matrix_table, reasons_table
from gradgauge.runs import RunFolder
from tests.report import synthetic
from tests.report.page import read, without_scripts
from tests.report.synthetic import agreement, case, speedup, write_run
from tests.report.synthetic_behavior import CHECKS, EAGER_ONLY, IDLE, SETUP, behaviors, metrics, tried
from tests.report.synthetic_gradients import cells

FAIL, KNOWN, UNSUPPORTED = Verdict.FAIL, Verdict.EXPECTED_FAIL, Verdict.UNSUPPORTED
WRONG = "the second derivative by input 0 is 0.5 where -0.5 is right, at flat index 7"


def a_run(parent: Path, *records: Record) -> RunFolder:
    return write_run(parent, list(records), [], metrics=metrics(), left_out=[])


def data(parent: Path, *records: Record) -> RunData:
    return RunData.load(a_run(parent, *records))


def the_matrix(parent: Path, *records: Record) -> Matrix:
    (matrix,) = matrices(data(parent, *records), "relu")
    return matrix


def signs(matrix: Matrix) -> dict[str, str]:
    """Return each technique's row as the signs with their numbers."""
    rows = matrix_table(matrix, {}).rows
    return {words(head): " ".join(words(cell) for cell in row) for head, *row in rows}


def words(cell: Cell) -> str:
    return "".join(part if isinstance(part, str) else symbol(part) for part in cell.text)


def symbol(part: object) -> str:
    if isinstance(part, Mark):
        return part.symbol + part.text
    assert isinstance(part, Code)
    return part.text


def reasons(matrix: Matrix) -> list[tuple[str, ...]]:
    table = reasons_table(matrix)
    return [tuple(words(cell) for cell in row) for row in table.rows] if table else []


def headings(run: RunData) -> list[str]:
    return [block.text for block in render(run) or [] if isinstance(block, Heading)]


def sections(parent: Path, *records: Record) -> dict[str, str]:
    return read(write_report(a_run(parent, *records)).read_text(encoding="utf-8")).sections


# --- the matrix -----------------------------------------------------------------------------------------------------


def test_each_technique_has_a_row_each_check_that_applies_a_column_and_each_cell_its_sign(parent: Path) -> None:
    matrix = the_matrix(parent, *behaviors())
    assert [column.title for column in matrix_table(matrix, {}).columns] == [
        "Technique",
        "twice",
        "mapped",
        "mapped_slope",
        "captured",
        "tidy",
    ]
    assert signs(matrix) == {
        "masked_function · eager": "✓ ∅¹ ∅¹ ✓ ✓",
        "reference · eager": "✓ ✓ ✓ ✓ ✓",
        "masked_function · compiled": "✓ ∅¹ ∅¹ — ✓",
        "reference · compiled": "✓ ✓ ✓ — ✓",
    }
    assert matrix.idle == ("elsewhere",)


def test_columns_stand_as_the_run_declares_them_whatever_was_tried_first(parent: Path) -> None:
    found = list(behaviors())
    assert the_matrix(parent, *reversed(found)).asked == ("twice", "mapped", "mapped_slope", "captured", "tidy")
    unknown = tried("reference/eager", "undeclared")
    assert the_matrix(parent / "more", unknown, *found).asked[-1] == "undeclared"


def test_what_many_cells_say_alike_is_told_once_of_all_of_them(parent: Path) -> None:
    (reason,) = reasons(the_matrix(parent, *behaviors()))
    assert reason == ("¹\u00a0∅unsupported", SETUP, "mapped, mapped_slope: masked_function")


def test_what_one_cell_says_is_told_with_what_was_being_done(parent: Path) -> None:
    only = tried("reference/eager", "tidy", UNSUPPORTED, f"leaving it: {SETUP}")
    (reason,) = reasons(the_matrix(parent, only))
    assert reason[1] == f"leaving it: {SETUP}"


def test_a_number_leads_from_the_cell_to_its_reason_what_is_wrong_first(parent: Path) -> None:
    matrix = the_matrix(
        parent,
        *behaviors(
            [
                tried("reference/eager", "tidy", FAIL, "it left a mess"),
                tried("reference/compiled", "twice", KNOWN, f"{WRONG} — expected: as printed"),
                tried("masked_function/eager", "twice", Verdict.CRASHED, "killed by signal 11"),
            ]
        ),
    )
    assert reasons(matrix) == [
        ("¹\u00a0✗fail", "it left a mess", "tidy: reference · eager"),
        ("²\u00a0✗crashed", "killed by signal 11", "twice: masked_function · eager"),
        ("³\u00a0△expected-fail", f"{WRONG} — expected: as printed", "twice: reference · compiled"),
        ("⁴\u00a0∅unsupported", SETUP, "mapped, mapped_slope: masked_function"),
    ]
    found = signs(matrix)
    assert found["reference · eager"] == "✓ ✓ ✓ ✓ ✗¹"
    assert found["masked_function · eager"] == "✗² ∅⁴ ∅⁴ ✓ ✓"
    assert found["reference · compiled"] == "△³ ✓ ✓ — ✓"


def test_different_reasons_stay_apart_and_a_reason_lists_its_checks_by_who_shares_them(parent: Path) -> None:
    others = [tried("reference/eager", "mapped", UNSUPPORTED, f"vmap over input 1: {SETUP}")]
    others += [tried("reference/eager", "twice", UNSUPPORTED, "2 graph breaks: Dynamic shapes (forward, line 19)")]
    others += [tried("reference/compiled", "twice", UNSUPPORTED, "3 graph breaks: Dynamic shapes (forward, line 7)")]
    found = reasons(the_matrix(parent, *behaviors(others)))
    assert [reason[1] for reason in found] == [
        "2 graph breaks: Dynamic shapes (forward, line 19)",
        "3 graph breaks: Dynamic shapes (forward, line 7)",
        SETUP,
    ]
    assert found[2][2] == "mapped: masked_function, reference · eager; mapped_slope: masked_function"


def test_the_same_fault_with_other_numbers_is_told_once_for_an_implementation_and_again_for_another(
    parent: Path,
) -> None:
    wrong = [
        tried(technique, "twice", FAIL, WRONG.replace("7", str(index)))
        for index, technique in enumerate(("masked_function/eager", "masked_function/compiled", "reference/eager"))
    ]
    found = reasons(the_matrix(parent, *wrong))
    assert [reason[2] for reason in found] == ["twice: masked_function", "twice: reference"]
    assert found[0][1] == WRONG.replace("7", "0")


def test_the_name_under_which_a_file_was_loaded_does_not_keep_reasons_apart(parent: Path) -> None:
    said = "pickle: PicklingError: not the same object as gradgauge_loaded_{}_relu_{}.relu"
    wrong = [
        tried(f"{name}/eager", "tidy", UNSUPPORTED, said.format(digest, name))
        for name, digest in (("masked_function", "3bac3a09cf"), ("reference", "c236555841"))
    ]
    assert reasons(the_matrix(parent, *wrong)) == [
        ("¹\u00a0∅unsupported", "PicklingError: not the same object as relu", "tidy: all")
    ]


def test_all_of_a_mode_are_named_by_it(parent: Path) -> None:
    refused = [tried(f"{name}/compiled", "tidy", UNSUPPORTED, "no") for name in ("masked_function", "reference")]
    assert reasons(the_matrix(parent, *behaviors(refused)))[-1][2] == "tidy: all in compiled mode"


def test_a_mode_goes_unsaid_where_the_other_is_not_asked(parent: Path) -> None:
    refused = tried("reference/eager", "captured", UNSUPPORTED, "a graph break")
    assert reasons(the_matrix(parent, *behaviors([refused])))[-1][2] == "captured: reference"
    both = [tried(f"{name}/eager", "captured", UNSUPPORTED, "break") for name in ("masked_function", "reference")]
    assert reasons(the_matrix(parent / "both", *behaviors(both)))[-1][2] == "captured: all"


@pytest.mark.parametrize(
    ("here", "there", "sign"),
    [
        (Verdict.PASS, FAIL, "✗"),
        (FAIL, UNSUPPORTED, "✗"),
        (KNOWN, UNSUPPORTED, "△"),
        (Verdict.PASS, UNSUPPORTED, "∅"),
        (Verdict.PASS, Verdict.NOT_APPLICABLE, "✓"),
    ],
)
def test_the_worst_dtype_decides_whichever_comes_first(parent: Path, here: Verdict, there: Verdict, sign: str) -> None:
    pair = [
        tried("reference/eager", "tidy", here, str(here), dtype="float32"),
        tried("reference/eager", "tidy", there, str(there), dtype="bfloat16"),
    ]
    for index, records in enumerate((pair, pair[::-1])):
        assert the_matrix(parent / str(index), *records).spot("reference · eager", "tidy").symbol == sign


def test_what_is_wrong_in_one_dtype_only_says_so_and_what_is_wrong_in_all_does_not(parent: Path) -> None:
    dtypes = ("float32", "bfloat16")
    records = [tried("reference/eager", "twice", FAIL, WRONG, dtype=dtype) for dtype in dtypes]
    records += [tried("reference/eager", "tidy", dtype="float32")]
    records += [tried("reference/eager", "tidy", FAIL, "it left a mess", dtype="bfloat16")]
    table = reasons_table(the_matrix(parent, *records))
    assert table
    assert {words(row[1]): row[1].note for row in table.rows} == {WRONG: "", "it left a mess": "in bfloat16 only"}


def test_in_each_dtype_another_reason_are_two_reasons(parent: Path) -> None:
    records = [
        tried("reference/eager", "tidy", UNSUPPORTED, "not at all", dtype="float32"),
        tried("reference/eager", "tidy", FAIL, "it left a mess", dtype="bfloat16"),
    ]
    table = reasons_table(the_matrix(parent, *records))
    assert table
    assert [(words(row[1]), row[1].note) for row in table.rows] == [
        ("it left a mess", "in bfloat16 only"),
        ("not at all", "in float32 only"),
    ]


def test_what_has_no_record_was_not_tried_and_what_cannot_run_here_says_why(parent: Path) -> None:
    dead = tried("where/eager", "twice", Verdict.CRASHED, "killed by signal 11")
    absent = next(record for record in synthetic.odd_records() if record.metric == "availability")
    matrix = the_matrix(parent, *behaviors(), dead, absent)
    assert signs(matrix)["where · eager"] == "✗¹ ? ? ? ?"
    assert signs(matrix)["triton · eager"] == "∅³ ∅³ ∅³ ∅³ ∅³"
    assert reasons(matrix)[2][:2] == ("³\u00a0∅unavailable", "triton is not installed")


def test_an_expected_failure_of_what_is_not_judged_is_no_cell(parent: Path) -> None:
    stray = dataclasses.replace(tried("reference/eager", "twice", FAIL, "names 'x'"), labels={"expected_fail": "x"})
    folder = a_run(parent, *behaviors(), stray)
    (matrix,) = matrices(RunData.load(folder), "relu")
    assert matrix.spot("reference · eager", "twice").verdict is Verdict.PASS
    assert "twice: names 'x'" in "\n".join(summary_lines(folder))


def test_each_device_has_a_matrix_and_each_function(parent: Path) -> None:
    gpu = list(behaviors(techniques=("reference/eager",), device="cuda:0"))
    other = [dataclasses.replace(record, case=dataclasses.replace(record.case, function="multiply")) for record in gpu]
    run = data(parent, *behaviors(), *gpu, *other)
    assert [matrix.device for matrix in matrices(run, "relu")] == ["cpu", "cuda:0"]
    assert matrices(run, "relu")[1].techniques == ("reference · eager",)
    assert headings(run) == ["multiply", "relu · cpu", "relu · cuda:0"]


def test_a_run_of_one_function_and_device_is_headed_by_the_function(parent: Path) -> None:
    assert headings(data(parent, *behaviors())) == ["relu"]


# --- the page -------------------------------------------------------------------------------------------------------


def test_nothing_is_shown_of_a_run_without_behaviour(parent: Path, standard_run: RunFolder) -> None:
    assert render(RunData.load(standard_run)) is None
    assert "behavior" not in sections(parent, *synthetic.gradient_records())


def test_the_page_explains_every_check_and_names_what_is_left_out(parent: Path) -> None:
    run = data(parent, *behaviors())
    assert questions(run) == list(CHECKS.items())
    page = read(write_report(a_run(parent / "page", *behaviors())).read_text(encoding="utf-8"))
    said = page.sections["behavior"]
    for asks in CHECKS.values():
        assert asks in said
    hints = [attributes["title"] for tag, attributes in page.elements if tag == "th" and "title" in attributes]
    assert hints == [asks for name, asks in CHECKS.items() if name != "elsewhere"]
    assert "dense upright" in [attributes.get("class") for tag, attributes in page.elements if tag == "table"]
    assert "Left out, as they apply to none: elsewhere." in said
    assert "Not measured: where and triton." in said
    assert f"elsewhere: all — {IDLE}" in said
    assert f"captured: all in compiled mode — {EAGER_ONLY}" in said


def test_what_is_worth_saying_of_what_is_right_is_said(parent: Path) -> None:
    said = sections(parent, *behaviors([tried("reference/eager", "tidy", detail="raises for the output")]))["behavior"]
    assert "tidy: reference · eager — raises for the output" in said


def test_a_check_without_help_is_shown_all_the_same(parent: Path) -> None:
    said = sections(parent, tried("reference/eager", "undeclared"))["behavior"]
    assert "undeclared" in said
    assert "not told" in said


def test_no_other_section_shows_behaviour_again(parent: Path) -> None:
    gradients = [agreement(case("relu", "reference/eager", "forward", "4"), "gradient_max_ulp", 1.0, Verdict.PASS)]
    found = sections(parent, *behaviors(), *gradients)
    for name, said in found.items():
        told = "tidy|twice|setup_context" if name == "summary" else "mapped|tidy|twice|setup_context"
        assert name in ("behavior", "", "environment") or not re.search(told, said), name
    assert "other" not in found or "behavior:" not in found["other"]


def test_what_the_suite_files_besides_is_not_lost(parent: Path) -> None:
    stray = dataclasses.replace(tried("reference/eager", "tidy"), suite="another")
    assert "another: tidy" in sections(parent, *behaviors(), stray)["other"]


def test_the_kinds_of_input_are_not_joined_by_behaviour(parent: Path) -> None:
    found = sections(parent, *cells("relu", "reference/eager"), *behaviors())["gradients"]
    assert "Kind of input" in found
    assert "no kind told" not in found


def test_details_are_text_wherever_they_stand(parent: Path) -> None:
    bad = "<script>alert(1)</script>\" onmouseover='x' & [bold]"
    changes = [
        tried("reference/eager", "tidy", FAIL, bad),
        tried("reference/eager", "captured", UNSUPPORTED, f"x{bad}"),
        tried("reference/compiled", "tidy", Verdict.PASS, bad),
        tried("reference/compiled", "twice", Verdict.NOT_APPLICABLE, bad),
    ]
    written = write_report(a_run(parent, *behaviors(changes))).read_text(encoding="utf-8")
    assert "<script" not in without_scripts(written)
    page = read(written)
    assert page.unbalanced == []
    assert not [attribute for _, attributes in page.elements for attribute in attributes if attribute.startswith("on")]
    assert page.sections["behavior"].count(bad) == 4
    hints = [str(attributes.get("title")) for tag, attributes in page.elements if tag == "td"]
    assert f"reference · eager, tidy: fail: {bad}" in hints


# --- the summary ----------------------------------------------------------------------------------------------------


def lines(parent: Path, records: Sequence[Record]) -> str:
    return "\n".join(summary_lines(a_run(parent, *records)))


def test_what_is_unsupported_or_does_not_apply_is_not_among_what_could_not_run(parent: Path) -> None:
    said = lines(parent, list(behaviors()))
    assert "Could not run" not in said
    assert said.startswith("Nothing failed")
    found = sections(parent / "page", *behaviors())
    assert not re.search(r"behavior|mapped|elsewhere", found["not_run"])
    assert "Not in this comparison" not in found["summary"]


def test_what_cannot_run_at_all_still_is(parent: Path) -> None:
    absent = [record for record in synthetic.odd_records() if record.metric == "availability"]
    filed = [dataclasses.replace(record, suite="behavior") for record in absent]
    assert "Could not run, or not all of it: relu: triton" in lines(parent, [*behaviors(), *filed])


def test_a_behaviour_that_fails_is_wrong_in_its_own_words(parent: Path) -> None:
    detail = "12 ulp where 3 are excused; mapped for the samples, and for the output, alone"
    said = lines(parent, list(behaviors([tried("reference/eager", "tidy", FAIL, detail)])))
    assert f"1 thing is wrong:\n  ✗ relu: reference · eager: tidy: {detail}" in said


def test_faults_of_a_behaviour_that_differ_after_for_are_two(parent: Path) -> None:
    wrong = [
        tried("reference/eager", "tidy", FAIL, f"wrong for the {what}", shape=shape)
        for what, shape in (("input", "4"), ("output", "5"))
    ]
    assert "tidy: wrong for the input; tidy: wrong for the output" in lines(parent, wrong)


def test_a_behaviour_known_to_be_wrong_is_told_in_the_words_of_its_check(parent: Path) -> None:
    known = tried("masked_function/eager", "twice", KNOWN, f"{WRONG} — expected: as printed")
    said = lines(parent, list(behaviors([known])))
    assert f"Disagree as they say themselves: relu: masked_function (twice: {WRONG})." in said
    summary = sections(parent / "page", *behaviors([known]))["summary"]
    assert f"masked_function · eager△\u00a0known to be wrong undertwice{WRONG} — expected: as printed" in summary
    assert "known to disagree" not in summary


def test_who_disagrees_with_the_definition_is_out_whatever_its_uses(parent: Path) -> None:
    judged = dataclasses.replace(
        agreement(case("relu", "masked_function/eager", "forward", "4"), "gradient_max_ulp", 9e9, KNOWN, kind="random"),
        detail="9e+09 ulp where 1 is excused; the sign is wrong for x < 0 — expected: the sign",
    )
    known = tried("masked_function/eager", "twice", KNOWN, f"{WRONG} — expected: as printed")
    found = sections(parent, judged, *behaviors([known]))["summary"]
    assert "masked_function△\u00a0known to disagree9e+09 ulp where 1 is excused; the sign is wrong for x < 0" in found
    assert "It says itself: the sign" in found
    assert "as printed" not in found


def test_nobody_is_called_unchecked_for_having_been_tried_out(parent: Path) -> None:
    assert "Agreement unknown" not in sections(parent, *behaviors())["summary"]


@pytest.mark.parametrize("verdict", [FAIL, KNOWN, UNSUPPORTED])
def test_advice_on_speed_is_that_of_a_run_without_behaviour(parent: Path, verdict: Verdict) -> None:
    timed: list[Record] = []
    for technique, ratio in (("masked_function/eager", 2.0), ("reference/eager", 1.0)):
        measured = case("relu", technique, "forward_backward", "4x4")
        timed += [agreement(measured, "gradient_max_ulp", 1.0, Verdict.PASS)]
        timed += [speedup(measured, ratio, ratio * 0.99, ratio * 1.01)]
    wrong = tried("masked_function/eager", "tidy", verdict, "it left a mess")
    assert "masked_function · eager is fastest, 2.00×" in lines(parent, [*timed, *behaviors([wrong])])
