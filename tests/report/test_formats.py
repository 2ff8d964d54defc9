from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from gradgauge.records import Record, Verdict
from gradgauge.report import formats, tabular
from gradgauge.report.blocks import Block, Bullets, Callout, Cell, Code, Column, Fold, Heading, Paragraph, Strong, Table
from gradgauge.report.formats import content
from gradgauge.report.markdown_blocks import in_markdown
from gradgauge.runs import RunFolder
from tests.report import synthetic

RELU = synthetic.case("relu", "where/eager", "forward", "1024x1024")
EXACT_S = 0.1 + 0.2  # which no shorter decimal is


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    timed = replace(synthetic.timed(RELU, EXACT_S), labels={"cache": "cold", "clock": "wall"})
    missing = Record("speed", replace(RELU, layout=""), "time", None, "s", Verdict.CRASHED, '=HYPERLINK("x")')
    return synthetic.write_run(tmp_path / "one", [timed, missing], [], run_id="one")


@pytest.fixture
def other(tmp_path: Path) -> RunFolder:
    return synthetic.write_run(tmp_path / "two", [synthetic.timed(RELU, 2.0, detail="µs")], [], run_id="two")


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"))))


def test_csv_holds_every_record_with_full_precision_and_blank_where_nothing_is(folder: RunFolder) -> None:
    first, second = rows_of(content([folder], "csv"))
    assert float(first["value"]) == EXACT_S
    assert json.loads(first["labels"]) == {"cache": "cold", "clock": "wall"}
    assert first["label_text"] == "cold cache"
    assert (first["run"], first["pass"], first["shape"]) == ("one", "forward", "1024x1024")
    assert (first["samples"], first["elements"]) == ("40", "1048576")
    assert (second["value"], second["low"], second["samples"], second["layout"]) == ("", "", "", "")


def test_csv_of_several_runs_has_their_rows_one_below_the_other(folder: RunFolder, other: RunFolder) -> None:
    rows = rows_of(content([folder, other], "csv"))
    assert [row["run"] for row in rows] == ["one", "one", "two"]
    assert rows[2]["detail"] == "µs"


def test_a_copy_of_a_run_is_told_by_its_path(folder: RunFolder, tmp_path: Path) -> None:
    copied = synthetic.write_run(tmp_path / "copy", [synthetic.timed(RELU, 2.0)], [], run_id="one")
    assert {row["run"] for row in rows_of(content([folder, copied], "csv"))} == {str(folder.path), str(copied.path)}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\n=", "＝"])  # noqa: RUF001
def test_no_text_of_a_csv_begins_a_formula_and_numbers_stay_numbers(tmp_path: Path, start: str) -> None:
    record = replace(synthetic.timed(RELU, -1.5), detail=f"{start}1+1")
    (row,) = rows_of(content([synthetic.write_run(tmp_path, [record], [])], "csv"))
    assert row["detail"] == f"'{start}1+1"
    assert row["value"] == "-1.5"


def test_parquet_reads_back_what_was_recorded(folder: RunFolder, other: RunFolder) -> None:
    frame = pd.read_parquet(io.BytesIO(content([folder, other], "parquet")))
    assert list(frame["run"]) == ["one", "one", "two"]
    assert frame["value"][0] == EXACT_S
    assert pd.isna(frame["value"][1])
    assert frame["detail"][1] == '=HYPERLINK("x")'
    assert str(frame["samples"].dtype) == "Int64"


def test_parquet_without_pyarrow_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert formats.missing_reason("parquet") == ""
    monkeypatch.setattr(tabular, "find_spec", lambda name: None)
    assert formats.missing_reason("parquet") == "pyarrow is not installed: pip install 'gradgauge[parquet]'"
    assert formats.missing_reason("csv") == ""


def test_a_run_without_records_is_a_table_without_rows(tmp_path: Path) -> None:
    empty = synthetic.write_run(tmp_path, [], [])
    assert rows_of(content([empty], "csv")) == []
    assert len(pd.read_parquet(io.BytesIO(content([empty], "parquet")))) == 0


# --- markdown -------------------------------------------------------------------------------------------------------


def test_markdown_answers_the_questions_of_a_reader(standard_run: RunFolder) -> None:
    text = content([standard_run], "markdown").decode("utf-8")
    headings = [line.removeprefix("### ") for line in text.splitlines() if line.startswith("### ")]
    assert headings == [
        "Is anything wrong?",
        "What should I use?",
        "How long does it take?",
        "What does it cost in memory?",
        "Where was it measured?",
    ]
    assert "**relu**" in text
    assert "killed by signal 11" in text
    assert "| Technique | Shape |" in text
    assert "packages.torch**: 2.13.0" in text
    assert len(text) < 65_536


def test_markdown_of_several_runs_is_their_comparison(folder: RunFolder, other: RunFolder) -> None:
    text = content([folder, other], "markdown").decode("utf-8")
    assert text.startswith("## 2 runs side by side\n")
    assert "### Faster or slower?" in text
    assert "<svg" not in text


def test_every_row_of_a_table_has_as_many_cells_as_its_head(standard_run: RunFolder, other: RunFolder) -> None:
    for folders in ([standard_run], [standard_run, other]):
        width = 0
        for line in content(folders, "markdown").decode("utf-8").splitlines():
            bars = line.replace("\\|", "").count("|") if line.startswith("|") else 0
            assert bars == width or 0 in (bars, width), line
            width = bars


def test_nothing_from_a_run_is_markup_in_markdown(tmp_path: Path) -> None:
    evil = "<img src=x> [a](http://b) | `c` @d **e**"
    run = synthetic.write_run(
        tmp_path, [replace(synthetic.timed(RELU, 1.0), verdict=Verdict.FAIL, detail=evil)], [], preset=evil
    )
    text = content([run], "markdown").decode("utf-8")
    assert "<img" not in text
    assert "[a](" not in text
    assert "://" not in text
    assert " @d" not in text.replace("@&#8203;d", "")
    assert "**e**" not in text


def test_each_kind_of_block_has_its_markdown() -> None:
    table = Table((Column("A", note="s"), Column("B", numeric=True)), ((Cell(("x|y",), note="n\nm"), Cell(("1",))),))
    blocks: list[Block] = [
        Heading("Title"),
        Paragraph(("see ", Code("a_b"), " and ", Strong("c"))),
        Bullets((("one",), ("two",))),
        Callout("warn", "Mind", ("this",)),
        Fold("more", (table,)),
    ]
    assert in_markdown(blocks) == [
        "#### Title",
        "",
        "see <code>a\\_b</code> and **c**",
        "",
        "- one",
        "- two",
        "",
        "> **Mind** this",
        "",
        "<details><summary>more</summary>",
        "",
        "| A<br>s | B |",
        "| --- | --: |",
        "| x\\|y<br>n<br>m | 1 |",
        "",
        "</details>",
        "",
    ]
