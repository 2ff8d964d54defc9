"""What the page's filter leaves out is read off headings and first cells; what names no axis always stays."""

from __future__ import annotations

import pytest

from gradgauge.report.blocks import Block, Cell, Code, Column, Heading, Paragraph, Table
from gradgauge.report.data import RunData
from gradgauge.report.scopes import Scope, Vocabulary
from gradgauge.runs import RunFolder

WORDS = Vocabulary(
    function=("relu", "multiply"),
    device=("cpu", "cuda:0"),
    dtype=("float32", "float64"),
    mode=("eager", "compiled"),
)


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("relu", Scope(function="relu")),
        ("relu · where · eager · backward · cpu · float32 · 64x64", Scope("relu", "cpu", "float32", "eager")),
        ("cuda:0 · float64, as a Python caller waits", Scope(device="cuda:0", dtype="float64")),
        ("where · eager and compiled", Scope()),
        ("relu, multiply", Scope()),
        ("relus", Scope()),
        ("What relu does", Scope()),
    ],
)
def test_words_name_what_is_concerned(text: str, scope: Scope) -> None:
    assert WORDS.scope([text]) == scope


def test_a_heading_begins_what_concerns_its_function_and_place() -> None:
    first, inner = Paragraph(("of all",)), Paragraph(("of one",))
    blocks: list[Block] = [
        first,
        Heading("relu"),
        inner,
        Heading("cpu · float32", 4),
        inner,
        Heading("multiply"),
        inner,
    ]
    blocks += [Heading("Timed in other ways", 4), inner, Heading("What else"), inner]
    scopes = [group.scope for group in WORDS.groups(blocks)]
    assert scopes == [Scope(), Scope("relu"), Scope("relu", "cpu", "float32"), Scope("multiply"), Scope()]
    assert [block for group in WORDS.groups(blocks) for block in group.blocks] == blocks


def test_a_row_concerns_what_its_first_cells_name() -> None:
    table = Table(
        (Column("Technique"), Column("Dtype"), Column("Detail")),
        (
            (Cell(("where · compiled",), note="cpu"), Cell(("float64",)), Cell(("relu",))),
            (Cell((Code("where"),)), Cell(("—",)), Cell(("eager",))),
        ),
    )
    assert WORDS.row(table, table.rows[0]) == Scope(device="cpu", dtype="float64", mode="compiled")
    assert WORDS.row(table, table.rows[1]) == Scope()


def test_there_is_something_to_choose_where_an_axis_has_several_values(standard_run: RunFolder) -> None:
    words = Vocabulary.of([RunData.load(standard_run)])
    choices = dict(words.choices())
    assert choices["function"] == ("multiply", "relu", "ternary_activation")
    assert choices["mode"] == ("eager", "compiled")
    assert "device" not in choices
