from __future__ import annotations

import dataclasses
import re
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
from tests.report.synthetic import agreement, case, speedup, timed, write_run
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
        ("cpu", {"input": "a", "kind": "strided input"}, "input=a · strided input"),
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


def test_advice_on_an_accelerator_is_for_both_clocks_and_for_no_other_protocol(gpu_run: RunFolder) -> None:
    lines = summary_lines(gpu_run)
    device, wall = [line for line in lines if line.startswith("relu, training")]
    shapes = "256x256 to 4096x4096): no difference seen"
    assert device.startswith(f"relu, training (cuda:0 · float32, by device time, {shapes}")
    assert wall.startswith(f"relu, training (cuda:0 · float32, as a Python caller waits, {shapes}")
    assert not any("retained" in line or "accumulating" in line for line in lines)


def test_both_clocks_of_an_accelerator_share_a_row_of_the_summary(parent: Path) -> None:
    fast = {"device": "where/eager", "wall": "reference/eager"}
    records = [
        dataclasses.replace(
            speedup(dataclasses.replace(case("relu", name, "inference", shape), device=GPU), ratio, ratio, ratio),
            labels={"clock": clock, "cache": "warm"},
        )
        for clock, first in fast.items()
        for name in fast.values()
        for shape in ("4x4", "8x8")
        for ratio in (2.5 if name == first else 1.0,)
    ]
    judged = [
        agreement(case("relu", name, "forward_backward", "4x4"), "gradient_max_ulp", 1.0, Verdict.PASS)
        for name in fast.values()
    ]
    html = write_report(write_run(parent, [*judged, *records], [], left_out=[])).read_text(encoding="utf-8")
    summary = html[html.index('<section id="summary"') : html.index('<section id="wrong"')]
    assert summary.count('<th scope="row"') == 1
    assert "4x4 to 8x8" in summary
    summary = summary[summary.index("<table") :]
    by_device, by_wall = summary.index("By device time"), summary.index("As a Python caller waits")
    assert by_device < by_wall < summary.index("where\u00a0·\u00a0eager</strong>")
    assert summary.index("where\u00a0·\u00a0eager</strong>") < summary.index("reference\u00a0·\u00a0eager</strong>")
    assert summary.count("2.50×") == 2


def test_a_page_names_the_accelerator_that_was_measured_on(parent: Path) -> None:
    environment = {
        "machine": {"cpu": "Example CPU"},
        "accelerators": [{"device": GPU, "name": "Example H1"}, {"device": "cuda:1", "name": "Example H2"}],
    }
    on_gpu = labelled(GPU, clock="device")
    html = write_report(write_run(parent, [on_gpu], [], environment=environment)).read_text(encoding="utf-8")
    assert "<dd>Example H1, Example CPU</dd>" in html
    html = write_report(write_run(parent / "cpu", [labelled("cpu")], [], environment=environment)).read_text()
    assert "<dd>Example CPU</dd>" in html


@pytest.mark.parametrize("accelerators", [None, {}, "H1", [None, 1, {"device": GPU}, {"device": GPU, "name": 3}]])
def test_accelerators_that_strangers_wrote_do_not_stop_the_page(parent: Path, accelerators: object) -> None:
    environment = {"cpu": "Example CPU", "accelerators": accelerators}
    html = write_report(write_run(parent, [labelled(GPU)], [], environment=environment)).read_text(encoding="utf-8")
    assert "<dd>Example CPU</dd>" in html


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
    assert "unsupported(backward, retained graph): no graph to retain" in shown["summary"]
    assert "speed time (retained graph), speed time (wall clock · retained graph)" in shown["not_run"]


def test_the_only_way_that_was_timed_stands_open_however_odd(parent: Path) -> None:
    records = [labelled("cpu", clock="wall", cache="cold", protocol="fresh")]
    html = write_report(write_run(parent, records, [])).read_text(encoding="utf-8")
    assert re.search(r"<h5[^>]*>cpu · float32 · cold cache: no call finds its inputs in a cache<", html)
    assert "Timed in other ways" not in html


def odd_run(parent: Path, protocol: str = "fresh", cache: str = "warm", device: str = "cpu") -> RunFolder:
    """Write a run that was timed in one way alone; a pass without a backward has no protocol to be odd."""
    records = [
        dataclasses.replace(
            record,
            labels=synthetic_timing.labels_of(record.case, "wall" if device == "cpu" else "device", protocol, cache),
        )
        for record in synthetic_timing.times(device, "wall" if device == "cpu" else "device", protocol)
    ]
    if protocol != "fresh":
        fresh = [r for r in synthetic_timing.times(device, "wall") if r.case.pass_ in ("inference", "forward")]
        records += fresh
    return write_run(parent, [*synthetic.gradient_records(), *records], [], **synthetic_timing.changes())


@pytest.mark.parametrize("device", ["cpu", GPU])
def test_where_nothing_was_timed_as_usual_the_advice_says_how_it_was(parent: Path, device: str) -> None:
    folder = odd_run(parent, cache="cold", device=device)
    shown = read(write_report(folder).read_text(encoding="utf-8")).sections["summary"]
    assert "No times were recorded" not in shown
    assert f"{device} · float32 · cold cache" in shown
    assert "for another way: cold cache (no call finds its inputs in a cache)." in shown
    lines = summary_lines(folder)
    for purpose in ("training", "inference"):
        assert any(line.startswith(f"relu, {purpose} ({device} · float32 · cold cache") for line in lines)
    assert not any("No advice" in line for line in lines)


def test_training_that_only_accumulated_is_advised_on_beside_usual_inference(parent: Path) -> None:
    lines = summary_lines(odd_run(parent, protocol="accumulating"))
    assert any(line.startswith("relu, training (cpu · float32 · accumulating gradients, 256x256") for line in lines)
    assert any(line.startswith("relu, inference (cpu · float32, 256x256") for line in lines)


def test_the_least_odd_way_is_advised_on(parent: Path) -> None:
    ways = [{"cache": "cold", "protocol": "accumulating"}, {"cache": "warm", "protocol": "accumulating"}]
    records = [
        dataclasses.replace(
            timed(case("relu", "where/eager", "forward_backward", "4x4"), 1e-3), labels={"clock": "wall", **way}
        )
        for way in ways
    ]
    (found,) = recommendations(RunData.load(write_run(parent, records, [])))
    assert found.place.title == "cpu · float32 · accumulating gradients"


def test_a_crash_without_labels_does_not_hide_what_was_timed(parent: Path) -> None:
    cold = timed(case("relu", "where/eager", "inference", "4x4"), 1e-3)
    crashed = dataclasses.replace(
        timed(case("relu", "reference/eager", "inference", "4x4"), 1.0), value=None, verdict=Verdict.CRASHED
    )
    records = [dataclasses.replace(cold, labels={"clock": "wall", "cache": "cold"}), crashed]
    (found,) = recommendations(RunData.load(write_run(parent, records, [])))
    assert found.place.title == "cpu · float32 · cold cache"
    assert found.names == ("where · eager",)


def test_a_purpose_that_was_not_timed_is_named_with_the_reason(parent: Path) -> None:
    why = "forward_backward makes a graph in each call: none is retained"
    retained = [
        dataclasses.replace(
            timed(case(function, "where/eager", "forward_backward", "4x4"), 1.0),
            value=None,
            detail=why,
            verdict=Verdict.NOT_APPLICABLE,
        )
        for function in ("relu", "ternary_activation")
    ]
    inference = [
        timed(case(function, "where/eager", "inference", "4x4"), 1e-3) for function in ("relu", "ternary_activation")
    ]
    folder = write_run(parent, [*retained, *inference], [])
    told = f"No advice on training for relu and ternary_activation (cpu · float32): {why}."
    assert told in summary_lines(folder)
    assert told in read(write_report(folder).read_text(encoding="utf-8")).sections["summary"]


def test_times_of_neither_purpose_are_no_missing_times(parent: Path) -> None:
    folder = write_run(parent, [timed(case("relu", "where/eager", "backward", "4x4"), 1e-3)], [])
    shown = read(write_report(folder).read_text(encoding="utf-8")).sections["summary"]
    assert "No advice on training and inference for relu (cpu · float32): not timed." in shown
    assert "No times were recorded" not in shown
