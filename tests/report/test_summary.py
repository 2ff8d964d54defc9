from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gradgauge.records import Record, Verdict
from gradgauge.report import summary_lines
from gradgauge.runs import RunFolder
from tests.report import synthetic
from tests.report.synthetic import agreement, case, speedup, timed, write_run
from tests.report.synthetic_timing import GPU


def test_the_standard_run_in_words(standard_run: RunFolder) -> None:
    lines = summary_lines(standard_run)
    assert lines[0] == "1 thing is wrong:"
    assert "multiply: saved_inputs · compiled: crashed" in lines[1]
    assert "killed by signal 11" in lines[1]
    assert "Disagree as they say themselves: ternary_activation: published." in lines
    assert any("triton" in line for line in lines)
    assert (
        "multiply, training (cpu · float32, 256x256 to 4096x4096): reference · compiled is fastest, "
        "2.10–2.57× the speed of the reference (4 B kept, per element)" in lines
    )
    assert (
        "relu, training (cpu · float32, 256x256 to 4096x4096): "
        "no difference seen between reference · compiled and where · compiled (4 B kept, per element)" in lines
    )


def test_at_most_twenty_lines_however_much_is_wrong_and_the_advice_survives(parent: Path) -> None:
    wrong = [
        agreement(case("relu", f"idea_{index}/eager", "forward_backward", "4x3"), "gradient_max_ulp", 9e9, Verdict.FAIL)
        for index in range(60)
    ]
    lines = summary_lines(write_run(parent, [*wrong, *synthetic.standard_records()], []))
    assert len(lines) <= 20
    assert lines[0] == "61 things are wrong:"
    assert any("see the report" in line for line in lines)
    assert any("reference · compiled is fastest" in line for line in lines)


def test_an_incomplete_run_says_so_first(parent: Path) -> None:
    planned = [{"suite": "speed", "function": "relu", "implementation": "where", "mode": "eager", "pass": "forward"}]
    lines = summary_lines(write_run(parent, [], [], complete=False, planned=planned))
    assert lines[:2] == [
        "The run did not finish: 1 planned case has no record.",
        "Nothing was measured: the run holds no record.",
    ]
    assert not any("Nothing failed" in line for line in lines)


def test_a_planned_case_of_an_unavailable_technique_is_not_missing(parent: Path) -> None:
    planned = [{"suite": "speed", "function": "relu", "implementation": "triton", "mode": "eager", "pass": "forward"}]
    lines = summary_lines(write_run(parent, list(synthetic.odd_records()), [], complete=False, planned=planned))
    assert lines[0] == "The run did not finish."


def test_a_last_line_cut_short_is_told(parent: Path) -> None:
    folder = write_run(parent, synthetic.standard_records()[:3], [])
    with folder.records_jsonl.open("a") as lines:
        lines.write('{"run": "2025')
    assert "The last line of records.jsonl was cut short and is left out." in summary_lines(folder)


def test_a_broken_file_is_wrong(parent: Path) -> None:
    broken = [{"file": "relu/mine.py", "line": 3, "message": "SyntaxError: invalid syntax"}]
    catalog = synthetic.catalog() | {"broken": broken}
    lines = summary_lines(write_run(parent, synthetic.standard_records()[:3], [], catalog=catalog))
    assert lines[1] == "  ✗ relu/mine.py:3: could not be read: SyntaxError: invalid syntax"


def test_a_line_stays_a_line(parent: Path) -> None:
    failed = agreement(case("relu", "where/eager", "forward", "4"), "gradient_max_ulp", None, Verdict.FAIL)
    failed = dataclasses.replace(failed, detail="Traceback\n  File" + "x" * 1000)
    lines = summary_lines(write_run(parent, [failed], []))
    assert all("\n" not in line and len(line) <= 400 for line in lines)


def judged(technique: str) -> Record:
    return agreement(case("relu", technique, "forward_backward", "4x4"), "gradient_max_ulp", 1.0, Verdict.PASS)


def trained(technique: str, ratio: float, shape: str = "4x4", device: str = "cpu", **labels: str) -> Record:
    measured = dataclasses.replace(case("relu", technique, "forward_backward", shape), device=device)
    return dataclasses.replace(speedup(measured, ratio, ratio * 0.99, ratio * 1.01), labels=labels)


def noisy(record: Record) -> Record:
    return dataclasses.replace(record, verdict=Verdict.NOISY)


def advice(parent: Path, *records: Record) -> list[str]:
    lines = summary_lines(write_run(parent, list(records), [], left_out=[]))
    return [line for line in lines if line.startswith("relu, training")]


@pytest.mark.parametrize("of_time", [True, False])
def test_a_leader_whose_time_is_noisy_is_marked_and_the_mark_explained(parent: Path, of_time: bool) -> None:
    time = timed(case("relu", "where/eager", "forward_backward", "4x4"), 1e-3)
    ratio = trained("where/eager", 2.0)
    pair = [noisy(time), ratio] if of_time else [time, noisy(ratio)]
    rest = [trained("reference/eager", 1.0), judged("where/eager"), judged("reference/eager")]
    lines = summary_lines(write_run(parent, [*pair, *rest], []))
    assert any(line.endswith(" ≈ noisy: the interval is wider than asked.") for line in lines[:-1])
    assert lines[-1].endswith("(cpu · float32, 4x4): ≈ where · eager is fastest, 2.00× the speed of the reference")
    calm = summary_lines(write_run(parent / "calm", [time, ratio, *rest], []))
    assert not any("≈" in line for line in calm)


def test_of_many_that_cannot_be_told_apart_three_are_named(parent: Path) -> None:
    names = [f"{name}/{mode}" for name in ("reference", "where", "masked_function") for mode in ("eager", "compiled")]
    tied = [trained(name, 1 + index / 1000) for index, name in enumerate(names)]
    (line,) = advice(parent, *map(judged, names), *tied[:-1], noisy(tied[-1]))
    assert line.endswith(
        "no difference seen between ≈ masked_function · compiled, masked_function · eager, where · compiled and 3 more"
    )
    (line,) = advice(parent / "three", *map(judged, names), *tied[:3])
    assert line.endswith("no difference seen between where · eager, reference · compiled and reference · eager")


def on_gpu(clock: str, ratios: dict[str, float]) -> list[Record]:
    """Return the speedups of `where · eager` by shape, by one clock of an accelerator, and the reference's."""
    shapes = [trained("where/eager", ratio, shape, GPU, clock=clock) for shape, ratio in ratios.items()]
    return [*shapes, *(trained("reference/eager", 1.0, shape, GPU, clock=clock) for shape in ratios)]


def test_the_clocks_of_an_accelerator_have_a_line_each_range_by_range(parent: Path) -> None:
    judgements = [judged("where/eager"), judged("reference/eager")]
    device = on_gpu("device", {"4x4": 2.0, "8x8": 3.0, "16x16": 4.0})
    wall = on_gpu("wall", {"4x4": 0.5, "8x8": 3.0, "16x16": 4.0})
    by_device, by_wall = advice(parent, *judgements, *device, *wall)
    assert by_device == (
        "relu, training (cuda:0 · float32, by device time, 4x4 to 16x16): where · eager is fastest, 2.00–4.00× the "
        "speed of the reference"
    )
    # From 16 to 64 elements by ln 2 / (ln 2 + ln 3) of the way, in logarithms, is 27.
    assert by_wall == (
        "relu, training (cuda:0 · float32, as a Python caller waits, 4x4 to 16x16): up to about 27 elements (27–28), "
        "reference · eager is fastest; above, where · eager is fastest, 3.00–4.00× the speed of the reference"
    )


def test_what_both_clocks_say_is_said_once(parent: Path) -> None:
    judgements = [judged("where/eager"), judged("reference/eager")]
    same = [record for clock in ("device", "wall") for record in on_gpu(clock, {"4x4": 2.0, "8x8": 3.0})]
    (line,) = advice(parent, *judgements, *same)
    assert line.startswith(
        "relu, training (cuda:0 · float32, 4x4 to 8x8): by either clock, where · eager is fastest, 2"
    )


def test_one_clock_of_an_accelerator_is_named(parent: Path) -> None:
    judgements = [judged("where/eager"), judged("reference/eager")]
    ratios = [
        trained(name, ratio, device=GPU, clock="wall")
        for name, ratio in (("where/eager", 2.0), ("reference/eager", 1.0))
    ]
    (line,) = advice(parent, *judgements, *ratios)
    assert line.startswith("relu, training (cuda:0 · float32, as a Python caller waits, 4x4): where · eager is fastest")
