from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gradgauge.cases import Case
from gradgauge.records import Record, Verdict
from gradgauge.report.blocks import Figure, Panel
from gradgauge.report.data import RunData
from gradgauge.report.figures.heat_map import HeatCell, HeatGroup, HeatRow, draw_heat, width_of
from gradgauge.report.figures.speed_panels import speed_maps, speedup_figure
from gradgauge.report.figures.style import css_variables
from gradgauge.report.places import Place
from tests.report.synthetic import agreement, case, speedup, timed, write_run

SHAPES = ("16x16", "256x256")


def sped(technique: str, ratio: float, shape: str = SHAPES[0], pass_: str = "forward_backward") -> Record:
    return speedup(case("relu", technique, pass_, shape), ratio, ratio * 0.9, ratio * 1.1)


def of(parent: Path, records: Sequence[Record]) -> tuple[RunData, dict[Place, list[Record]]]:
    run = RunData.load(write_run(parent, list(records), []))
    here: dict[Place, list[Record]] = {}
    for record in run.records:
        if record.suite == "speed" and record.metric != "availability":
            here.setdefault(Place.of(record), []).append(record)
    return run, here


def maps(parent: Path, *records: Record) -> list[Figure]:
    run, here = of(parent, records)
    return speed_maps(run, here)


def root(panel: Panel) -> ET.Element:
    return ET.fromstring(panel.svg.body)


def cells(panel: Panel) -> dict[str, tuple[str, str]]:
    """Return each cell's text and fill by what is said of it up to its colon."""
    found = {}
    for group in root(panel).iter("g"):
        title, rect = group.find("title"), group.find("rect")
        if title is not None and rect is not None:
            found[str(title.text)] = str(group.findtext("text")), rect.attrib["fill"]
    return found


def cell(panel: Panel, start: str) -> tuple[str, str]:
    ((_, found),) = [pair for pair in cells(panel).items() if pair[0].startswith(start)]
    return found


@pytest.mark.parametrize(
    ("ratio", "text", "step"),
    [
        (0.2, "0.20×", 0),
        (0.5, "0.50×", 1),
        (0.9, "0.90×", 2),
        (0.96, "0.96×", 3),
        (1.0, "1.00×", 3),
        (1.04, "1.04×", 3),
        (1.06, "1.06×", 4),
        (2.0, "2.00×", 5),
        (40.0, "40.0×", 6),
    ],
)
def test_a_cell_has_its_speedup_and_a_step_of_the_ramp(parent: Path, ratio: float, text: str, step: int) -> None:
    (figure,) = maps(parent, sped("where/eager", ratio))
    assert cell(figure.panels[0], "where · eager, forward + backward, 16x16: ") == (text, f"var(--heat-{step})")
    assert f"--heat-{step}" in css_variables()


def test_a_pointer_is_told_the_interval(parent: Path) -> None:
    (figure,) = maps(parent, replace(sped("where/eager", 2.0), verdict=Verdict.NOISY))
    assert list(cells(figure.panels[0])) == ["where · eager, forward + backward, 16x16: ≈ 2.00× (1.80–2.20×)"]
    assert cell(figure.panels[0], "where")[0] == "≈ 2.00×"


def test_passes_stand_apart_each_with_its_sizes_from_small_to_large(parent: Path) -> None:
    found = [
        sped("where/eager", 2.0, shape, pass_) for shape in SHAPES[::-1] for pass_ in ("forward_backward", "forward")
    ]
    (figure,) = maps(parent, *found)
    texts = [str(each.text) for each in root(figure.panels[0]).iter("text")]
    assert texts[:6] == ["forward, graph recorded", "256", "2¹⁶", "forward + backward", "256", "2¹⁶"]


def test_rows_carry_their_mode(parent: Path) -> None:
    (figure,) = maps(parent, sped("where/eager", 2.0), sped("where/compiled", 3.0))
    rows = [each for each in root(figure.panels[0]).iter("g") if each.get("data-mode")]
    assert [(each.get("data-mode"), each.findtext("text")) for each in rows] == [
        ("eager", "where · eager"),
        ("compiled", "where · compiled"),
    ]


@pytest.mark.parametrize(("verdict", "sign"), [(Verdict.FAIL, "✗"), (Verdict.EXPECTED_FAIL, "△")])
def test_who_disagrees_has_a_sign_and_no_colour(parent: Path, verdict: Verdict, sign: str) -> None:
    wrong = agreement(case("relu", "where/eager", "forward_backward", "4"), "gradient_max_ulp", 9e9, verdict)
    (figure,) = maps(parent, sped("where/eager", 9.0), wrong)
    assert cell(figure.panels[0], "where") == (sign, "none")
    assert "9.00×" in next(iter(cells(figure.panels[0])))


def test_who_cannot_run_is_listed_with_the_reason(parent: Path) -> None:
    gone = Case("relu", "triton", "eager", "", "", "", "", "")
    absent = Record("speed", gone, "availability", None, "", Verdict.UNAVAILABLE, "triton is not installed")
    crashed = replace(sped("mine/eager", 2.0), value=None, low=None, high=None, verdict=Verdict.CRASHED)
    (figure,) = maps(parent, sped("where/eager", 2.0), absent, crashed)
    panel = figure.panels[0]
    assert cell(panel, "triton · eager, forward + backward, 16x16: unavailable, triton is not installed")[0] == "∅"
    assert cell(panel, "mine · eager, forward + backward, 16x16: crashed") == ("✗", "none")


def test_what_was_not_timed_is_no_number(parent: Path) -> None:
    (figure,) = maps(parent, sped("where/eager", 2.0), sped("mine/eager", 2.0, SHAPES[1]))
    assert cell(figure.panels[0], "where · eager, forward + backward, 256x256: not timed") == ("·", "none")


def test_the_reference_is_what_others_are_compared_with_and_no_row(parent: Path) -> None:
    (figure,) = maps(parent, sped("reference/eager", 1.0), sped("where/eager", 2.0))
    assert not any(said.startswith("reference · eager") for said in cells(figure.panels[0]))
    assert maps(parent / "alone", sped("reference/eager", 1.0)) == []


def test_dtypes_are_panels_of_one_figure(parent: Path) -> None:
    double = replace(sped("where/eager", 3.0), case=replace(sped("where/eager", 3.0).case, dtype="float64"))
    (figure,) = maps(parent, sped("where/eager", 2.0), double)
    assert figure.caption.startswith("relu: how many times as fast")
    assert [panel.title for panel in figure.panels] == ["cpu · float32: times as fast", "cpu · float64: times as fast"]


def test_the_share_of_a_copy_s_speed_is_a_map_of_its_own(parent: Path) -> None:
    roof = replace(sped("reference/eager", 0.63), metric="roof_fraction")
    (figure,) = maps(parent, roof)
    assert list(cells(figure.panels[0])) == ["reference · eager, forward + backward, 16x16: 63 % (57–69 %)"]
    assert cell(figure.panels[0], "reference") == ("63 %", "var(--heat-5)")


def test_a_name_from_outside_comes_out_as_text() -> None:
    evil = '<script>alert(1)</script>&"'
    svg = draw_heat([HeatGroup(evil, (evil,))], [HeatRow(evil, evil, (HeatCell(evil, evil, 3),))], evil)
    assert "<script" not in svg.body
    assert evil in {each.text for each in ET.fromstring(svg.body).iter("title")}


def test_few_columns_are_a_panel_among_others_and_many_a_page_s_width() -> None:
    assert width_of([HeatGroup("a", ("1", "2"))]) == 410
    assert width_of([HeatGroup("a", ("1", "2", "3"))] * 4) == 1000
    assert width_of([HeatGroup("a", tuple("abcdefgh"))] * 4) > 1000


# --- speedups in rows -------------------------------------------------------------------------------------------------


def rows(parent: Path, *records: Record) -> list[Panel]:
    run, here = of(parent, records)
    ((place, found),) = here.items()
    return [panel for figure in speedup_figure(run, place, found) for panel in figure.panels]


def test_each_speedup_is_a_dot_with_its_interval_and_mode(parent: Path) -> None:
    (panel,) = rows(
        parent, sped("where/eager", 2.0), sped("where/eager", 3.0, SHAPES[1]), sped("mine/compiled", 0.5, SHAPES[1])
    )
    said = {
        (each.get("data-mode"), each.findtext("title"))
        for each in root(panel).iter("g")
        if each.find("title") is not None
    }
    assert said == {
        ("eager", "where · eager, 16x16: 2.00× (1.80–2.20×)"),
        ("eager", "where · eager, 256x256: 3.00× (2.70–3.30×)"),
        ("compiled", "mine · compiled, 256x256: 0.50× (0.45–0.55×)"),
    }
    assert panel.title == "training: times as fast as the reference"


def test_training_and_inference_are_apart_and_other_passes_in_neither(parent: Path) -> None:
    panels = rows(
        parent,
        sped("where/eager", 2.0),
        sped("where/eager", 3.0, pass_="inference"),
        sped("where/eager", 9.0, pass_="backward"),
    )
    assert [panel.title.partition(":")[0] for panel in panels] == ["training", "inference"]
    assert not any("9.00" in panel.svg.body for panel in panels)


def test_the_fastest_at_the_largest_size_stands_above(parent: Path) -> None:
    found = [sped(name, ratio, SHAPES[1]) for name, ratio in (("mine/eager", 0.5), ("where/eager", 3.0))]
    (panel,) = rows(parent, *found)
    assert panel.alt.endswith("At 256x256: where · eager 3.00×, mine · eager 0.50×.")


@pytest.mark.parametrize("value", [5e-324, 1e-300, 1e300])
def test_any_speedup_is_drawn(parent: Path, value: float) -> None:
    (panel,) = rows(parent, replace(sped("where/eager", 1.0), value=value, low=value, high=value))
    assert root(panel).get("role") == "img"


def test_a_speedup_without_an_interval_has_a_dot_alone(parent: Path) -> None:
    (panel,) = rows(parent, replace(sped("where/eager", 2.0), low=None, high=None))
    assert "where · eager, 16x16: 2.00×</title>" in panel.svg.body


def test_times_alone_have_no_speedups(parent: Path) -> None:
    assert rows(parent, timed(case("relu", "where/eager", "inference", "4"), 1.0)) == []
