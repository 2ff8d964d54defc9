from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradgauge.gate.findings import GATE_JSON, Gate, Outcome
from gradgauge.report import write_report
from gradgauge.report.data import RunData
from gradgauge.report.figures.gate_plot import gate_figure
from gradgauge.report.gates import read_gate
from gradgauge.report.tables.gate import findings_table, outcome_mark
from gradgauge.runs import RunFolder, UnreadableRun
from tests.gates import EMPTY, EVERY_GATE, case, gate, green, hostile, implementation, long, red, timed
from tests.report.page import read, section
from tests.report.synthetic import write_run


def folder_of(parent: Path, found: Gate) -> RunFolder:
    folder = write_run(parent, [], [])
    found.write(folder.path / GATE_JSON)
    return folder


def html_of(parent: Path, found: Gate) -> str:
    return write_report(folder_of(parent, found)).read_text(encoding="utf-8")


def test_a_run_without_a_gate_has_no_section(standard_run: Any, standard_html: str) -> None:
    assert RunData.load(standard_run).gate is None
    assert "gate" not in read(standard_html).sections


def test_the_gate_is_read_as_it_was_written(parent: Path) -> None:
    folder = folder_of(parent, red())
    assert RunData.load(folder).gate == red()
    assert RunData.load(folder, "memory").gate is None


def test_red_tells_what_fails_first(parent: Path) -> None:
    text = section(html_of(parent, red()), "gate")
    told = ("Failed: 2 regressions", "working tree (", "14.2×", "+10.2 %", "old_trick", "always_broken", "To be known")
    places = [text.index(part) for part in (*told, "slower, accepted")]
    assert places[:-1] == sorted(places[:-1])
    for part in (
        *("12.0 µs 13.2 µs +10.2 %[+9.0, +11.4] against 3 %", "4.0 KiB 8.0 KiB +100.0 %", "pass fail"),
        *("accepted: clearer, and rarely called", "The control took 4 % longer", "With 98 % confidence all intervals"),
        *("140in 5 processes 4.2 %", "The gate took 2 min 5 s", "was old_name"),
    ):
        assert part in text, part


def test_green_is_a_headline_times_and_settings(parent: Path) -> None:
    html = html_of(parent, green())
    text = section(html, "gate")
    assert "Passed: 24 cases, none slower; 812 figures and verdicts alike" in text
    assert 'class="callout good"' in html
    assert "Times of 24 cases, the slowest first" in text
    for absent in ("Figures and verdicts ", "To be known", "New, renamed", "Why"):
        assert absent not in text


def test_cannot_tell_is_neither_good_nor_bad(parent: Path) -> None:
    html = html_of(parent, gate(timed(Outcome.CANNOT_TELL, 1.02)))
    assert "Cannot tell: 1 still open" in section(html, "gate")
    assert 'class="callout warn"' in html


def test_an_empty_gate_says_so(parent: Path) -> None:
    text = section(html_of(parent, EMPTY), "gate")
    assert "nothing was compared" in text
    assert "Times" not in text


def test_every_interval_is_told_in_words(parent: Path) -> None:
    page = read(html_of(parent, red()))
    (label,) = [
        str(attributes["aria-label"])
        for tag, attributes in page.elements
        if tag == "svg" and "change in time" in str(attributes.get("aria-label"))
    ]
    assert label.startswith("relu · cpu · float32 · 64x64, change in time against the tolerance: ")
    assert "where · compiled · forward +10.2 % [+9.0, +11.4] against 3 %, slower" in label
    assert "saved_inputs · compiled · backward +40.0 % (no interval) against 3 %, cannot tell" in label
    assert label.count(" against 3 %") == 7


def test_the_figure_has_every_value_and_colours_that_the_dark_page_can_change(parent: Path) -> None:
    html = html_of(parent, red())
    (drawing,) = re.findall(r"<svg role.*?</svg>", html, re.DOTALL)
    for value in ("14.2×", "+40.0 %", "+10.2 %", "−17.0 %"):
        assert f">{value}</text>" in drawing
    assert re.findall(r"#[0-9a-f]{6}\b", drawing) == []
    for outcome in ("slower", "cannot tell", "faster", "not slower"):
        assert f"</svg> {outcome}</li>" in html
    for function in ("var(--bad)", "var(--hue-2)"):
        assert function in drawing


def test_a_drawing_for_each_function_on_one_axis() -> None:
    other = replace(case("native"), function="multiply")
    figure = gate_figure([timed(Outcome.NO_REGRESSION, 1.0), timed(Outcome.NO_REGRESSION, 1.01, other)])
    assert figure is not None
    assert [panel.title for panel in figure.panels] == ["relu", "multiply"]
    ticks = [re.findall(r">(0|[+−]\d+ %)</text>", panel.svg.body) for panel in figure.panels]
    assert ticks[0] == ticks[1]
    assert "0" in ticks[0]


def test_many_cases_are_cut_in_the_figure_and_folded_in_the_table() -> None:
    figure = gate_figure(long(100).times())
    assert figure is not None
    assert figure.panels[0].caption == "The 40 slowest of 200 cases; the table has all."
    assert figure.panels[0].alt.endswith("and 160 more cases.")


@pytest.mark.parametrize("value", [0.0, 1e-300, 1e308])
def test_ratios_at_the_ends_of_the_floats_are_drawn(parent: Path, value: float) -> None:
    html = html_of(parent, gate(timed(Outcome.CANNOT_TELL, value, half=None), timed(Outcome.NO_REGRESSION, 1.0)))
    assert html.count("<svg role") == 1


def test_nothing_timed_is_no_figure() -> None:
    assert gate_figure([]) is None
    assert gate_figure([implementation(Outcome.NEW, "a")]) is None


def test_a_mark_is_a_symbol_and_a_word() -> None:
    marks = {outcome_mark(finding).symbol + outcome_mark(finding).text for finding in red().findings}
    assert {"✗slower", "△slower, accepted", "?cannot tell", "✓faster", "✓better", "·new"} <= marks


def test_a_row_that_has_nothing_to_tell_says_what_its_outcome_means() -> None:
    (row,) = findings_table([implementation(Outcome.REMOVED, "a")]).rows
    assert row[-1].text == ("in the baseline, not in the candidate",)


@pytest.mark.parametrize("name", EVERY_GATE)
def test_the_page_is_whole(parent: Path, name: str) -> None:
    page = read(html_of(parent, EVERY_GATE[name]))
    assert page.unbalanced == page.open_tags == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_hostile_names_come_out_inert(parent: Path) -> None:
    page = read(html_of(parent, hostile()))
    assert "script" not in {tag for tag, _ in page.elements}
    assert "<script>alert(1)</script>" in page.sections["gate"]
    assert "\x1b" not in page.sections["gate"]


def edited(parent: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    file = folder_of(parent, red()).path / GATE_JSON
    keys = json.loads(file.read_text())
    edit(keys)
    file.write_text(json.dumps(keys))
    return file


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda keys: keys.update(schema_version=9), ("schema_version 9",)),
        (lambda keys: keys["findings"][0]["ratio"].update(value="fast"), ("ratio", "value", "'fast'", "a number")),
        (lambda keys: keys["findings"][0]["ratio"].update(low=float("nan")), ("low", "a finite number")),
        (lambda keys: keys["findings"][0].update(detail=["x"]), ("detail", "list", "a string")),
        (lambda keys: keys["findings"][0].update(labels="x"), ("labels", "an object")),
        (lambda keys: keys["settings"].update(confidence=None), ("confidence", "missing", "a number")),
        (lambda keys: keys["baseline"].update(dirty="no"), ("dirty", "'no'", "true or false")),
        (lambda keys: keys.update(notes=[7]), ("notes[0]", "int 7", "a string")),
        (lambda keys: keys.update(findings=7), ("not what a gate writes",)),
    ],
)
def test_a_gate_of_the_wrong_types_is_refused_by_name(
    parent: Path, edit: Callable[[dict[str, Any]], None], told: tuple[str, ...]
) -> None:
    file = edited(parent, edit)
    with pytest.raises(UnreadableRun) as refused:
        read_gate(file)
    for part in (GATE_JSON, *told):
        assert part in str(refused.value)


def test_no_file_is_no_gate(tmp_path: Path) -> None:
    assert read_gate(tmp_path / GATE_JSON) is None


@pytest.mark.parametrize(("found", "said"), [(red(), "✗ gate: failed"), (green(), "✓ gate: passed")])
def test_the_head_of_the_page_says_what_the_gate_came_to(parent: Path, found: Gate, said: str) -> None:
    head = html_of(parent, found).partition("<nav")[0]
    chip = re.search(r'<a class="mark[^>]*href="#gate">(.*?)</a>', head)
    assert chip is not None
    assert re.sub(r"<[^>]+>", "", chip[1]).replace("&nbsp;", " ") == said
