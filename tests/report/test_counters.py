from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gradgauge.cases import PASSES
from gradgauge.records import Record, Verdict
from gradgauge.report import summary_lines, write_report
from gradgauge.report.data import RunData
from gradgauge.report.sections.counters import render
from gradgauge.runs import RunFolder
from tests.report.page import read, section
from tests.report.synthetic import metric, write_run
from tests.report.synthetic_counted import BREAK, compile_times, count, counters, instructions, on_device

COUNTED = counters()


def html_of(parent: Path, records: list[Record], **changes: object) -> str:
    return write_report(write_run(parent, records, [], **changes)).read_text(encoding="utf-8")


def shown(parent: Path, records: list[Record]) -> str:
    return section(html_of(parent, records), "counters")


def test_a_run_without_a_count_has_no_such_section(standard_run: RunFolder, standard_html: str) -> None:
    assert render(RunData.load(standard_run)) is None
    assert "counters" not in read(standard_html).sections


def test_operators_by_pass_and_their_names(parent: Path) -> None:
    html = html_of(parent, COUNTED)
    text = section(html, "counters")
    assert "where · eager 65 65 65 65 where · compiled 1 1 1 1" in text
    assert "Run eagerly, where dispatches the fewest operators in forward and backward (65)" in text
    assert "masked_function the most (208)" in text
    hints = [attributes["title"] for tag, attributes in read(html).elements if tag == "td" and "title" in attributes]
    assert hints.count("62 aten::where, 3 aten::mul") == len(PASSES)
    # No hint stands alone: on paper and on a phone there is no pointer.
    assert text.count("62 aten::where, 3 aten::mul") == len(PASSES)


def test_of_one_technique_nothing_is_compared(parent: Path) -> None:
    assert "Run eagerly" not in shown(parent, [count("where/eager", "operators", 65)])


def test_where_all_dispatch_as_many_nobody_is_first(parent: Path) -> None:
    records = [count(f"{name}/eager", "operators", 7) for name in ("where", "masked_function")]
    assert "Run eagerly, all dispatch 7 operators in forward and backward." in shown(parent, records)


def test_kernels_and_waits_stand_with_the_operators_of_an_accelerator(parent: Path) -> None:
    text = shown(parent, on_device(COUNTED))
    assert "cuda:0 · float32" in text
    assert "where · eager 652 kernels, 1 wait" in text
    assert "kernels: 2 cudaLaunchKernel; waits: 1 cudaStreamSynchronize" in text


def test_of_a_cpu_nothing_is_said_of_kernels(parent: Path) -> None:
    declared = {name: metric("count", "lower", "", exact=True) for name in ("kernels", "device_waits")}
    sections = read(html_of(parent, COUNTED, metrics=declared)).sections
    assert "wait" not in sections["counters"]
    assert "other" not in sections


def test_the_reason_of_breaks_is_told_once_with_its_lines(parent: Path) -> None:
    masked = [record for record in COUNTED if record.case.implementation == "masked_function"]
    published = [replace(record, case=replace(record.case, implementation="published")) for record in masked]
    text = shown(parent, [*COUNTED, *published])
    assert text.count("Dynamic shape operator") == 1
    assert (
        f"The graph breaks: {BREAK} masked_function · compiled: 2 × forward, masked_function.py:19; "
        "forward, masked_function.py:20. published · compiled:" in text
    )
    assert "Compiled, the graph breaks in masked_function and published (3 times)." in text


def test_breaks_recompilations_and_kernels_stand_in_one_table(parent: Path) -> None:
    text = shown(parent, COUNTED)
    assert "where · compiled 0 1 2 masked_function · compiled 3 1 2" in text
    assert text.count("captured anew for 63x63; met in turn: 64x64, 63x63") == 1


def test_where_no_graph_breaks_that_is_said(parent: Path) -> None:
    assert "Compiled, no graph breaks." in shown(parent, [count("where/compiled", "graph_breaks", 0)])


def test_what_is_said_of_some_names_them_and_of_all_does_not(parent: Path) -> None:
    text = shown(parent, COUNTED)
    assert "FLOPs: no operator in it that PyTorch has a formula for." in text
    other = count("where/eager", "flops", 2048)
    kept = [record for record in COUNTED if record.metric != "flops" or record.case.implementation != "where"]
    text = shown(parent / "some", [*kept, other])
    assert "FLOPs, masked_function · eager: no operator in it" in text
    assert "FLOPsforward + backward" in text
    assert "2,048" in text


def test_what_is_unsupported_is_marked_and_its_reason_told(parent: Path) -> None:
    odd = replace(count("where/compiled", "graph_breaks", None, "no graph at all"), verdict=Verdict.UNSUPPORTED)
    others = [record for record in COUNTED if (record.case, record.metric) != (odd.case, odd.metric)]
    html = html_of(parent, [*others, odd])
    # The technique runs, only this figure is not to be had: the summary is not the place for it.
    assert "no graph at all" not in read(html).sections["summary"]
    assert "no graph at all" in read(html).sections["not_run"]
    lone = shown(parent / "lone", [odd])
    assert "where · compiled ∅ unsupported" in lone
    assert "Graph breaks: no graph at all." in lone


def test_a_technique_that_could_not_be_counted_at_all_is_told_in_the_summary(parent: Path) -> None:
    failed = replace(count("where/eager", "operators", None, "needs a GPU"), verdict=Verdict.UNSUPPORTED)
    html = html_of(parent, [failed])
    assert "needs a GPU" in read(html).sections["summary"]
    assert "where · eager ∅ unsupported" in section(html, "counters")


def test_compile_times_and_their_payback(parent: Path) -> None:
    text = shown(parent, compile_times())
    assert "where · compiled 64x64 2.50 s≈ pays back after 40,000 calls (36,000–44,000) 60.0 ms" in text
    assert "masked_function · compiled 64x64 2.50 sdoes not pay back 60.0 msdoes not pay back never seen to pay" in text
    assert text.count("besides 15.7 s once a process, to start the compiler") == 1
    assert (
        "Compiling is repaid soonest for where at 1024x1024, after 120 calls with nothing cached; "
        "never seen to be for masked_function." in text
    )


def test_compiling_that_nobody_repays(parent: Path) -> None:
    never = [record for record in compile_times() if record.case.implementation == "masked_function"]
    assert "Compiling was not seen to be repaid by any of them." in shown(parent, never)


def test_compile_times_without_a_payback_and_a_crash(parent: Path) -> None:
    times = [record for record in compile_times() if record.metric == "compile_time"]
    crashed = replace(times[0], value=None, verdict=Verdict.CRASHED, detail="killed by signal 11")
    text = shown(parent, [crashed, *times[1:]])
    assert "✗ crashed" in text
    assert "pays back" not in text.replace("pays back after how", "")


def test_instructions_against_the_reference(parent: Path) -> None:
    text = shown(parent, instructions())
    assert "reference · eager 180,000 masked_function · eager 450,0002.50×" in text


def test_instructions_that_are_not_to_be_had_are_one_sentence(parent: Path) -> None:
    html = html_of(parent, [*COUNTED, *instructions(None)])
    text = section(html, "counters")
    assert "Instructions: valgrind is not installed." in text
    assert "Instructions that the processor runs" not in text


@pytest.mark.parametrize("records", [compile_times(), instructions(), COUNTED])
def test_what_is_shown_here_is_not_shown_again_elsewhere(parent: Path, records: list[Record]) -> None:
    assert "other" not in read(html_of(parent, records, metrics={})).sections


def test_a_run_that_only_counted_says_so(parent: Path) -> None:
    folder = write_run(parent, COUNTED, [], left_out=[])
    said = "No function was timed, so nothing is said about speed. For what it holds, see “What it makes PyTorch do”."
    assert summary_lines(folder)[-1] == said
    page = read(write_report(folder).read_text(encoding="utf-8"))
    assert said in page.sections["summary"]
    assert "fastest" not in page.sections["summary"]
    assert "Could not run" not in " ".join(summary_lines(folder))


def test_a_script_in_an_operator_s_name_comes_out_inert(parent: Path) -> None:
    nasty = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    labels = ({"at": f"{nasty}{index}"} if record.labels else {} for index, record in enumerate(COUNTED))
    records = [replace(record, detail=nasty, labels=own) for record, own in zip(COUNTED, labels, strict=True)]
    page = read(html_of(parent, records))
    assert page.unbalanced == page.open_tags == []
    assert not {"script", "img"} & {tag for tag, _ in page.elements}
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert nasty in page.sections["counters"]
