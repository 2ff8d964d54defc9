"""Drawings are made once, when the page is, by several processes where that is worth it; too many are told in words."""

from __future__ import annotations

import os
import re

import pytest

from gradgauge.report import document
from gradgauge.report.blocks import Block, Figure, Fold, Heading, Panel, Svg
from gradgauge.report.document import Document, Part, Piece, render
from gradgauge.report.figures import later as module
from gradgauge.report.figures.later import Later, draw_all, later
from gradgauge.report.scopes import Vocabulary


@later
def drawn(number: int) -> Svg:
    made.append(number)
    return Svg(f"<svg role='img' aria-label='{number}' data-process='{os.getpid()}'></svg>", 10.0 + number)


made: list[int] = []


@pytest.fixture(autouse=True)
def none_made() -> None:
    made.clear()


def test_a_drawing_waits_until_it_is_looked_at_and_is_made_once() -> None:
    drawing = drawn(3)
    assert made == []
    assert drawing.width_px == 13.0
    assert "aria-label='3'" in drawing.body
    assert "aria-label='3'" in drawing.scoped("f1")
    assert made == [3]


def test_many_are_made_in_other_processes_and_come_back_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_cores", lambda: 2)
    drawings = [drawn(number) for number in range(40)]
    draw_all(drawings)
    assert made == []
    assert [re.findall(r"aria-label='(\d+)'", drawing.body)[0] for drawing in drawings] == list(map(str, range(40)))
    assert str(os.getpid()) not in {re.findall(r"process='(\d+)'", drawing.body)[0] for drawing in drawings}


@pytest.mark.parametrize(("cores", "count"), [(2, 3), (1, 40)])
def test_few_or_a_single_core_need_no_process(cores: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_cores", lambda: cores)
    drawings = [drawn(number) for number in range(count)]
    draw_all(drawings)
    assert not any(isinstance(drawing, Later) and drawing.is_drawn for drawing in drawings)


def test_what_goes_wrong_in_another_process_is_told_here(monkeypatch: pytest.MonkeyPatch) -> None:
    @later
    def broken() -> Svg:
        raise ValueError("no such colour")

    monkeypatch.setattr(module, "_cores", lambda: 2)
    with pytest.raises(ValueError, match="no such colour"):
        draw_all([broken() for _ in range(20)])


def test_a_page_draws_the_first_functions_and_tells_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    def figure(name: str) -> Figure:
        return Figure((Panel(drawn(len(name)), f"what {name} shows, in words"),), "caption")

    blocks: list[Block] = [Heading("relu"), figure("relu"), Heading("multiply"), Fold("more", (figure("multiply"),))]
    blocks.append(Heading("What holds for all"))
    blocks.append(figure("control"))
    monkeypatch.setattr(document, "MOST_PANELS", 2)
    words = Vocabulary(function=("multiply", "relu"))
    html = render(Document("t", "h", (), (), (Part("use", "Use?", (Piece("x", "X", blocks),)),), words))
    assert sorted(made) == [len("control"), len("multiply")]
    assert '<p class="told">what relu shows, in words</p>' in html
    assert "1 drawings are told in words" not in html
    assert "1 drawing is told in words" in html
