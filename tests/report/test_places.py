from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gradgauge.records import Record, Verdict
from gradgauge.report import summary_lines, write_report
from gradgauge.report.data import RunData, label_text
from gradgauge.report.places import Place, places
from gradgauge.report.ranking import recommendations
from gradgauge.runs import RunFolder
from tests.report import synthetic, synthetic_timing
from tests.report.page import read
from tests.report.synthetic import case, timed, write_run
from tests.report.synthetic_timing import GPU


def labelled(device: str, **labels: str) -> Record:
    record = timed(dataclasses.replace(case("relu", "where/eager", "backward", "4x4"), device=device), 1e-3)
    return dataclasses.replace(record, labels=labels)


@pytest.mark.parametrize(
    ("device", "labels", "text"),
    [
        ("cpu", {}, ""),
        ("cpu", {"clock": "wall", "cache": "warm", "protocol": "fresh"}, ""),
        (GPU, {"clock": "device", "cache": "warm", "protocol": "fresh"}, ""),
        (GPU, {}, ""),
        (GPU, {"clock": "wall", "cache": "warm"}, "wall clock"),
        ("cpu", {"clock": "device"}, "device time"),
        ("cpu", {"clock": "wall", "cache": "cold"}, "cold cache"),
        ("cpu", {"clock": "wall", "protocol": "retained"}, "retained graph"),
        (GPU, {"clock": "wall", "protocol": "accumulating"}, "wall clock · accumulating gradients"),
        (GPU, {"clock": "device", "launch": "graph"}, "CUDA graph"),
        ("cpu", {"cache": "tepid", "input": "a"}, "cache=tepid · input=a"),
    ],
)
def test_usual_labels_go_unsaid_and_odd_ones_make_a_place_of_their_own(
    device: str, labels: dict[str, str], text: str
) -> None:
    record = labelled(device, **labels)
    assert label_text(record) == text
    assert (Place.of(record) == Place.of(labelled(device))) == (text == "")


@pytest.mark.parametrize(
    ("device", "labels", "heading", "finding"),
    [
        ("cpu", {"clock": "wall"}, "cpu · float32", "cpu · float32"),
        (GPU, {}, "cuda:0 · float32", "cuda:0 · float32"),
        (
            GPU,
            {"clock": "device"},
            "cuda:0 · float32 · device time: what the device works, launch gaps left out",
            "cuda:0 · float32, by device time",
        ),
        (
            GPU,
            {"clock": "wall"},
            "cuda:0 · float32 · wall clock: what a Python caller waits for",
            "cuda:0 · float32, as a Python caller waits",
        ),
        (
            GPU,
            {"clock": "device", "launch": "graph"},
            "cuda:0 · float32 · device time · CUDA graph",
            "cuda:0 · float32 · CUDA graph, by device time",
        ),
    ],
)
def test_a_place_in_words(device: str, labels: dict[str, str], heading: str, finding: str) -> None:
    place = Place.of(labelled(device, **labels))
    assert place.heading == heading
    assert place.finding_title == finding


def test_the_usual_place_comes_first_and_each_clock_has_a_figure() -> None:
    cold, graph = labelled(GPU, clock="device", cache="cold"), labelled(GPU, clock="device", launch="graph")
    found = places([cold, graph, labelled(GPU, clock="wall"), labelled(GPU, clock="device")], ["relu"])
    assert {place.title: drawn for place, drawn in found.items()} == {
        "cuda:0 · float32": True,
        "cuda:0 · float32 · cold cache": False,
        "cuda:0 · float32 · CUDA graph": False,
        "cuda:0 · float32 · wall clock": True,
    }
    assert next(iter(found)).title == "cuda:0 · float32"


def test_what_belongs_to_no_function_has_no_place(parent: Path) -> None:
    nobody = dataclasses.replace(labelled("cpu"), case=case("", "where/eager", "backward", "4x4"))
    run = RunData.load(write_run(parent, [nobody, *synthetic_timing.machine_records("cpu")], []))
    assert places(list(run.records), run.function_names()) == {}
    assert "" not in run.function_names()
    assert "" not in run.selected_functions()
    assert recommendations(run) == []


def test_a_run_on_the_cpu_reads_as_one_without_labels(parent: Path) -> None:
    records = synthetic_timing.times("cpu", "wall")
    bare = [dataclasses.replace(record, labels={}) for record in records]
    pages = [
        read(write_report(write_run(parent / name, found, [])).read_text(encoding="utf-8")).sections
        for name, found in (("labelled", records), ("bare", bare))
    ]
    assert pages[0] == pages[1]
    assert "wall" not in pages[0]["times"]


def test_advice_on_an_accelerator_is_for_both_clocks_and_no_other_protocol(gpu_run: RunFolder) -> None:
    lines = summary_lines(gpu_run)
    told = [line for line in lines if line.startswith("relu, training")]
    assert [line.partition(", 2")[0].partition("(")[2] for line in told] == [
        "cuda:0 · float32, by device time",
        "cuda:0 · float32, as a Python caller waits",
    ]
    assert not any("retained" in line or "accumulating" in line for line in lines)


def test_the_other_protocols_are_shown_where_they_were_measured(gpu_sections: dict[str, str]) -> None:
    shown = gpu_sections["times"]
    assert "cuda:0 · float32 · device time · retained graph" in shown
    assert "cuda:0 · float32 · wall clock · accumulating gradients" in shown


def test_a_colour_belongs_to_an_implementation_not_to_the_machine(parent: Path) -> None:
    from gradgauge.report.figures.style import looks

    series = [*synthetic.curves(), *synthetic_timing.control("cpu")]
    run = RunData.load(write_run(parent, synthetic_timing.cpu_records(), series))
    bare = RunData.load(write_run(parent / "bare"))
    assert looks(run) == looks(bare)


def test_a_failure_of_the_machine_is_named_without_a_function(parent: Path) -> None:
    failed = dataclasses.replace(
        next(synthetic_timing.machine_records("cpu")), value=None, verdict=Verdict.CRASHED, detail="killed"
    )
    lines = summary_lines(write_run(parent, [failed], []))
    assert lines[1] == "  ✗ copy: crashed, peak_bandwidth: killed"


def test_what_could_not_run_in_one_way_of_timing_says_in_which(parent: Path) -> None:
    records = [
        dataclasses.replace(
            labelled(GPU, clock=clock, cache="warm", protocol="retained"),
            value=None,
            verdict=Verdict.UNSUPPORTED,
            detail="no graph to retain",
        )
        for clock in ("device", "wall")
    ]
    shown = read(write_report(write_run(parent, records, [])).read_text(encoding="utf-8")).sections
    assert "unsupported (backward, retained graph): no graph to retain" in shown["summary"]
    assert "speed time (retained graph), speed time (wall clock · retained graph)" in shown["not_run"]


def test_the_only_way_that_was_timed_stands_open_however_odd(parent: Path) -> None:
    records = [labelled("cpu", clock="wall", cache="cold", protocol="fresh")]
    html = write_report(write_run(parent, records, [])).read_text(encoding="utf-8")
    assert "<h4>cpu · float32 · cold cache: no call finds its tensors in a cache</h4>" in html
    assert "Timed in other ways" not in html
