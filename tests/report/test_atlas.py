from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from gradgauge.records import Record, Verdict
from gradgauge.report import write_report
from gradgauge.report.atlas import Atlas, atlases
from gradgauge.report.blocks import Fold, Mark, Table
from gradgauge.report.conventions import kink_sentences, side_of, zero_sign_sentences
from gradgauge.report.data import RunData
from gradgauge.report.description import FunctionEntry
from gradgauge.report.tables.atlas import atlas_blocks
from tests.report.page import read
from tests.report.synthetic import write_run
from tests.report.synthetic_gradients import judged, relu_atlas, spot


def load(parent: Path, records: Iterable[Record], **changes: object) -> RunData:
    return RunData.load(write_run(parent, list(records), [], **changes))


def relu(parent: Path, records: Iterable[Record]) -> tuple[Atlas, FunctionEntry]:
    run = load(parent, records)
    (atlas,) = atlases(run, "relu")
    return atlas, run.description.functions["relu"]


def table_of(parent: Path, records: Iterable[Record], zero_signs: dict[str, Verdict] | None = None) -> Table:
    table, *_ = atlas_blocks(*relu(parent, records), zero_signs or {})
    assert isinstance(table, Table)
    return table


def rows_of(table: Table) -> dict[str, list[tuple[str, str, str]]]:
    """Return text, note and tone of each cell by the row's places."""
    return {
        str(row[0].text[0]): [
            ("".join(part.text if isinstance(part, Mark) else str(part) for part in found.text), found.note, found.tone)
            for found in row[1:]
        ]
        for row in table.rows
    }


CONVENTIONS = [
    *relu_atlas("reference/eager", 1.0),
    *relu_atlas("reference/compiled", 1.0),
    *relu_atlas("where/eager", 1.0),
    *relu_atlas("native/eager", 0.0),
    *relu_atlas("native/compiled", 0.0),
]


def test_techniques_that_agree_everywhere_share_a_column(parent: Path) -> None:
    titles = [column.title for column in table_of(parent, CONVENTIONS).columns]
    assert titles == ["x", "reference, where", "native"]


def test_a_mode_of_its_own_is_named(parent: Path) -> None:
    other = [*relu_atlas("where/eager", 1.0), *relu_atlas("where/compiled", 0.0)]
    assert [column.title for column in table_of(parent, other).columns] == ["x", "where · eager", "where · compiled"]


def test_the_convention_at_a_kink_is_named_in_a_neutral_colour(parent: Path) -> None:
    rows = rows_of(table_of(parent, CONVENTIONS))
    assert rows["+0"] == [("1", "from the right\nvalue +0", "neutral"), ("0", "from the left\nvalue +0", "neutral")]
    assert rows["−0"][0] == ("1", "from the right\nvalue −0", "neutral")


def test_one_convention_for_all_needs_no_colour(parent: Path) -> None:
    rows = rows_of(table_of(parent, relu_atlas("where/eager", 1.0)))
    assert rows["+0"] == [("1", "from the right\nvalue +0", "plain")]


def test_neighbours_at_which_nothing_changes_share_a_row_and_kinks_never_do(parent: Path) -> None:
    rows = rows_of(table_of(parent, CONVENTIONS))
    assert list(rows) == ["−inf … +0 − 1 ulp", "−0", "+0", "+0 + 1 ulp … 1", "+inf", "NaN"]
    assert rows["+inf"][0] == ("1", "value +inf", "plain")
    assert rows["NaN"][0] == ("1", "not judged\nvalue NaN", "plain")


def test_the_two_zeros_at_a_kink_keep_their_rows_though_they_show_the_same(parent: Path) -> None:
    rows = rows_of(table_of(parent, relu_atlas("where/eager", 1.0, zero=0.0)))
    assert rows["−0"] == rows["+0"]


@pytest.mark.parametrize(("verdict", "tone"), [(Verdict.FAIL, "bad"), (Verdict.EXPECTED_FAIL, "warn")])
def test_a_wrong_place_is_marked_with_what_is_right(parent: Path, verdict: Verdict, tone: str) -> None:
    wrong = [
        replace(record, verdict=verdict) if record.verdict is Verdict.FAIL else record
        for record in relu_atlas("where/eager", 1.0, slope=lambda x: -1.0 if x < 0 else float(x >= 0))
    ]
    rows = rows_of(table_of(parent, [*relu_atlas("reference/eager", 1.0), *wrong]))
    assert rows["−inf … +0 − 1 ulp"] == [("0", "", "plain"), ("−1", "0 is right", tone)]


def test_a_wrong_value_is_told_below_a_right_slope(parent: Path) -> None:
    records = [
        replace(record, value=7.0, verdict=Verdict.FAIL, detail="1 is right")
        if (record.metric, record.labels["at"]) == ("atlas_value", "1")
        else record
        for record in relu_atlas("where/eager", 1.0)
    ]
    assert rows_of(table_of(parent, records))["1"] == [("1", "✗ value 7; 1 is right", "bad")]


def test_a_wrong_slope_at_a_kink_says_what_would_be_right(parent: Path) -> None:
    wrong = relu_atlas("where/eager", 1.0, slope=lambda x: 3.0 if x == 0 else float(x > 0))
    rows = rows_of(table_of(parent, [*relu_atlas("reference/eager", 1.0), *wrong]))
    assert rows["+0"][1] == ("3", "any slope from 0 to 1 is right\nvalue +0", "bad")


def test_the_sign_of_a_zero_is_neutral_where_it_is_open_and_red_where_it_is_not(parent: Path) -> None:
    records = [*relu_atlas("reference/eager", 1.0), *relu_atlas("where/eager", 1.0, zero=0.0)]
    for verdict, tone in ((Verdict.MEASURED, "neutral"), (Verdict.FAIL, "bad")):
        rows = rows_of(table_of(parent / verdict, records, {"where · eager": verdict}))
        assert rows["−0"][1] == ("1", "from the right\nvalue +0", tone)
    assert rows_of(table_of(parent, records))["−0"][1][2] == "plain"


def test_who_takes_which_slope_is_said_in_a_sentence(parent: Path) -> None:
    (sentence,) = kink_sentences(*relu(parent, CONVENTIONS))
    assert sentence == (
        "relu at −0 and +0: reference and where take 1 (from the right); native takes 0 (from the left); any slope "
        "from 0 to 1 is right."
    )


def test_one_slope_that_all_take_is_said_once(parent: Path) -> None:
    assert kink_sentences(*relu(parent, relu_atlas("where/eager", 0.25))) == [
        "relu at −0 and +0: any slope from 0 to 1 is right, and all take 0.25 (between)."
    ]


def test_who_is_wrong_at_a_kink_follows_no_convention(parent: Path) -> None:
    wrong = relu_atlas("where/eager", 1.0, slope=lambda x: 3.0 if x == 0 else float(x > 0))
    (sentence,) = kink_sentences(*relu(parent, [*relu_atlas("reference/eager", 1.0), *wrong]))
    assert sentence == (
        "relu at −0 and +0: reference takes 1 (from the right); the others are wrong; any slope from 0 to 1 is right."
    )


def test_sides_are_told_by_the_function_s_own_one_sided_slopes(parent: Path) -> None:
    entry = load(parent, []).description.functions["ternary_activation"]
    span = (0.1, 0.25)
    assert side_of(0.25, "−5", span, entry) == "from the left"
    assert side_of(0.1, "−5", span, entry) == "from the right"
    assert side_of(0.1001, "5", span, entry) == "from the left"
    assert side_of(0.18, "5", span, entry) == "between"
    assert side_of(0.25, "7", span, entry) == "the higher"


def test_the_sign_of_zero_is_a_convention_only_where_a_record_says_so(parent: Path) -> None:
    case = judged("relu", "where/compiled")
    labels = {"kind": "kinks"}
    open_ = Record(
        "gradients", case, "value_zero_sign", 1, "count", Verdict.MEASURED, "a convention: 1 of 8", labels=labels
    )
    same = replace(open_, case=judged("relu", "where/eager"), value=0, detail="")
    run = load(parent, [open_, same])
    assert zero_sign_sentences(run, "relu") == [
        "The sign of a zero value is a convention: where · compiled differs in it from the oracle (kinks)."
    ]
    assert zero_sign_sentences(load(parent / "none", [same]), "relu") == []
    wrong = replace(open_, verdict=Verdict.FAIL, detail="1 of 8 elements are a zero of the other sign")
    assert zero_sign_sentences(load(parent / "wrong", [wrong]), "relu") == []


def long_atlas(technique: str) -> Iterable[Record]:
    case = judged("ternary_activation", technique)
    for index in range(-20, 21):
        kink = index == 5
        wrong = index == -18 and technique.startswith("published")
        detail = "any slope from 0.1 to 5 is right" if kink else "1 is right" if wrong else ""
        yield spot(case, "atlas_value", f"{index}".replace("-", "−"), 1.0 + abs(index))
        yield spot(case, "atlas_gradient", f"{index}".replace("-", "−"), float(index), detail)


def test_what_is_far_and_right_folds_away_and_nothing_is_lost(parent: Path) -> None:
    run = load(parent, [*long_atlas("where/eager"), *long_atlas("published/eager")])
    (atlas,) = atlases(run, "ternary_activation")
    table, fold = atlas_blocks(atlas, run.description.functions["ternary_activation"], {})
    assert isinstance(table, Table)
    assert list(rows_of(table)) == ["−18", "4", "5", "6"]
    assert isinstance(fold, Fold)
    assert fold.summary == "Away from kinks, and right: 37 more places"
    (rest,) = fold.blocks
    assert isinstance(rest, Table)
    assert len(rest.rows) == 37


def test_inputs_that_show_the_same_share_a_table(parent: Path) -> None:
    case = judged("multiply", "reference/eager")
    alike = [
        spot(case, metric, place, 1.5, along=along)
        for along in ("a", "b")
        for place in ("−1", "1")
        for metric in ("atlas_value", "atlas_gradient")
    ]
    assert [atlas.along for atlas in atlases(load(parent, alike), "multiply")] == ["a or b"]
    apart = [replace(alike[0], value=math.pi), *alike[1:]]
    assert [atlas.along for atlas in atlases(load(parent / "apart", apart), "multiply")] == ["a", "b"]


def test_the_page_has_the_atlas_and_colours_it(parent: Path) -> None:
    html = write_report(write_run(parent, CONVENTIONS, [])).read_text(encoding="utf-8")
    shown = read(html).sections["atlas"]
    assert "native takes 0 (from the left)" in shown
    assert '<td class="neutral"' in html
    assert '<td class="bad"' not in html


def test_a_run_without_an_atlas_has_no_such_section(standard_html: str) -> None:
    assert 'id="atlas"' not in standard_html


def test_names_of_places_and_numbers_that_are_none_do_no_harm(parent: Path) -> None:
    case = judged("relu", "where/eager")
    records = [
        Record("gradients", case, "atlas_gradient", None, "1", Verdict.PASS, "", labels={}),
        Record("gradients", case, "atlas_value", 1e308, "1", Verdict.PASS, "", labels={"at": "<b>"}),
        Record(
            "gradients",
            case,
            "atlas_gradient",
            -5e-324,
            "1",
            Verdict.PASS,
            "any slope from a to b",
            labels={"at": "<b>"},
        ),
    ]
    page = read(write_report(write_run(parent, records, [])).read_text(encoding="utf-8"))
    assert "<b>" in page.sections["atlas"]
    assert page.unbalanced == []
