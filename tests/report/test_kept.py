from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gradgauge.records import Record, Verdict
from gradgauge.report import write_report
from gradgauge.report.data import RunData
from gradgauge.report.kept import Kept, kept_at_largest, who_keeps_least
from gradgauge.runs import RunFolder
from tests.report import synthetic
from tests.report.page import read, section
from tests.report.synthetic import agreement, case, write_run
from tests.report.synthetic_counted import allocated, forward, kept, ledger

SMALL, LARGE = ledger("64x64", 2**12), ledger()


def memory_of(parent: Path, records: list[Record]) -> str:
    return section(write_report(write_run(parent, records, [])).read_text(encoding="utf-8"), "memory")


def found_in(parent: Path, records: list[Record]) -> tuple[RunData, list[Kept]]:
    run = RunData.load(write_run(parent, records, []))
    return run, kept_at_largest(run, list(run.records))


def said(parent: Path, records: list[Record]) -> str:
    run, found = found_in(parent, records)
    return "".join(part if isinstance(part, str) else part.text for part in who_keeps_least(run, found))


def test_the_ledger_is_of_the_largest_shape_and_sums_to_what_is_saved(parent: Path) -> None:
    _, found = found_in(parent, [*SMALL, *LARGE, *ledger("32x32", 2**10)])
    assert {kept.case.shape for kept in found} == {"256x256"}
    assert [sum(kept.by_role.values()) for kept in found] == [kept.saved.value for kept in found]
    assert [kept.saved.value for kept in found] == [10 * 2**16, 4 * 2**16, 6 * 2**16, 2**16]
    extra = [kept.by_role.get("intermediate", 0) + kept.by_role.get("elsewhere", 0) for kept in found]
    assert extra == [kept.extra_bytes for kept in found]


def test_what_is_kept_in_words(parent: Path) -> None:
    _, (native, _, where, _) = found_in(parent, LARGE)
    assert native.tensors("intermediate") == "2 × float32 + 2 × bool"
    assert native.keepers("intermediate") == ["SigmoidBackward0 (result)", "WhereBackward0 (condition)"]
    assert list(where.by_role) == ["output", "elsewhere"]
    assert where.tensors("elsewhere") == "128.0 KiB"
    assert where.keepers("output") == ["Python code: ctx, a closure, a hook or a global"]
    assert where.keepers("elsewhere") == []


def test_a_tensor_of_another_size_than_the_output_s_has_its_shape(parent: Path) -> None:
    entries = [("input", 4 * 2**16, "float32 256x256", "kept by Mul"), ("input", 1024, "float32 256", "kept by Mul")]
    _, (found,) = found_in(parent, kept(forward("where/eager"), *entries))
    assert found.tensors("input") == "float32 + float32 of 256"


def test_the_table_has_the_breakdown_by_element(parent: Path) -> None:
    text = memory_of(parent, LARGE)
    told = "2 × float32 + 2 × boolSigmoidBackward0 (result), WhereBackward0 (condition)"
    assert f"reference · eager 10 B640.0 KiB 10 B intermediate: {told}" in text
    assert "masked_function · eager 4 B256.0 KiB 0 B input: float32_TernaryActivationBackward" in text
    assert "where · eager 6 B384.0 KiB 2 B output: float32; elsewhere: 128.0 KiBPython code" in text


def test_the_roles_are_explained_once(parent: Path) -> None:
    other = [replace(record, case=replace(record.case, function="relu")) for record in LARGE]
    text = memory_of(parent, [*LARGE, *other])
    assert text.count("an intermediate is kept for the backward alone, a pure cost") == 1


def test_who_keeps_least_and_who_keeps_nothing_extra(parent: Path) -> None:
    assert said(parent, LARGE) == (
        "Least is kept for the backward by where · compiled at 256x256: 1 B per element of the output, all of it "
        "extra. Nothing extra is kept by masked_function: 4 B, the input's own."
    )


def test_where_nobody_keeps_nothing_extra_the_least_extra_is_told(parent: Path) -> None:
    records = [record for record in LARGE if record.case.technique in ("reference · eager", "where · eager")]
    more = kept(forward("masked_function/eager", function="ternary_activation"), ("elsewhere", 5 * 2**16, "", ""))
    assert said(parent, [*records, *more]) == (
        "Least is kept for the backward by masked_function at 256x256: 5 B per element of the output, all of it extra. "
        "Least extra is kept by where: 2 B of 6 B."
    )


def test_where_all_keep_as_much_nobody_is_first(parent: Path) -> None:
    entry = ("input", 4 * 2**16, "float32 256x256", "kept by MulBackward0")
    records = [record for name in ("where/eager", "reference/eager") for record in kept(forward(name), entry)]
    assert said(parent, records) == (
        "All keep as much for the backward at 256x256: 4 B per element of the output, none of it extra."
    )


def test_nothing_at_all_is_least(parent: Path) -> None:
    records = [*kept(forward("where/eager")), *kept(forward("reference/eager"), ("input", 64, "float32 16", ""))]
    assert said(parent, records) == "Least is kept for the backward by where at 256x256: nothing at all."
    assert "where · eager 0 B0 B 0 B nothing" in memory_of(parent / "page", records)


def test_who_is_wrong_keeps_nothing_worth_telling(parent: Path) -> None:
    wrong = agreement(
        case("ternary_activation", "where/compiled", "forward_backward", "4x4"), "gradient_max_ulp", 9e9, Verdict.FAIL
    )
    first = "Of those that agree with the definition, least is kept for the backward by masked_function"
    assert said(parent, [*LARGE, wrong]).startswith(first)


def test_a_shape_that_makes_no_sense_is_told_in_whole_bytes(parent: Path) -> None:
    text = memory_of(parent, kept(forward("where/eager", "4xx3"), ("input", 96, "float32 4xx3", "kept by Mul")))
    assert "at 4xx3: 96 B, none of it extra." in text
    assert "where · eager 96 B 0 B input: float32 of 4xx3Mul" in text


def test_every_bar_is_told_in_words(parent: Path) -> None:
    page = read(write_report(write_run(parent, LARGE, [])).read_text(encoding="utf-8"))
    (label,) = [
        str(attributes["aria-label"])
        for tag, attributes in page.elements
        if tag == "svg" and "kept for backward" in str(attributes.get("aria-label"))
    ]
    assert "reference · eager 10 B (intermediate 10 B)" in label
    assert "where · eager 6 B (output 4 B, elsewhere 2 B)" in label
    text = page.sections["memory"]
    for told in ("10 B, all extra", "4 B, none extra", "6 B, 2 B extra"):
        assert told in text


def test_roles_differ_by_more_than_colour(parent: Path) -> None:
    html = write_report(write_run(parent, LARGE, [])).read_text(encoding="utf-8")
    assert html.count("<pattern") >= 2, "output and elsewhere are hatched"
    for role in ("input: alive anyway", "output: alive while", "intermediate: kept", "elsewhere: so"):
        assert role in section(html, "memory")


def test_allocations_stand_below_the_peak(parent: Path) -> None:
    once = allocated("reference/eager", 2**18, 1, 2**18)
    text = memory_of(parent, [*allocated("where/eager", 2**18, 5, 2**20), *once])
    assert "where · eager 256x256 256.0 KiB4 B / element 5 allocations, 1.0 MiB" in text
    assert "reference · eager 256x256 256.0 KiB4 B / element 1 allocation " in text


def test_a_forward_that_failed_is_marked_in_both_tables(parent: Path) -> None:
    failed = Record("memory", forward("where/eager"), "saved_bytes", None, "byte", Verdict.FAIL, "no such operator")
    text = memory_of(parent, [failed, *kept(forward("reference/eager"), ("input", 64, "float32 16", "kept by Mul"))])
    assert text.count("✗ fail") == 2
    assert "no such operator" in text


def test_an_older_run_has_no_ledger(standard_html: str) -> None:
    text = section(standard_html, "memory")
    assert "ledger" not in text
    assert "a pure cost" not in text
    assert "kept for backward" in text


@pytest.mark.parametrize("label", ["tensor", "role"])
def test_a_script_in_a_ledger_comes_out_inert(parent: Path, label: str) -> None:
    nasty = "<script>alert(1)</script>"
    records = [
        replace(record, labels={**record.labels, label: nasty}, detail=f"kept by {nasty}") if record.labels else record
        for record in LARGE
    ]
    page = read(write_report(write_run(parent, records, [])).read_text(encoding="utf-8"))
    assert page.unbalanced == page.open_tags == []
    assert "script" not in {tag for tag, _ in page.elements}
    assert nasty in page.sections["memory"]


def test_the_ledger_of_a_place_is_its_own(standard_run: RunFolder, parent: Path) -> None:
    other = [replace(record, case=replace(record.case, device="cuda:0")) for record in SMALL]
    text = memory_of(parent, [*LARGE, *other])
    assert text.count("The ledger at 256x256") == 1
    assert text.count("The ledger at 64x64") == 1


def test_the_standard_run_still_shows_its_bytes(standard_html: str) -> None:
    assert len(synthetic.SHAPES) == 3
    assert "64.0 MiB" in section(standard_html, "memory")
