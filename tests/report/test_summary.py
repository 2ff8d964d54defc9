from __future__ import annotations

import dataclasses
from pathlib import Path

from gradgauge.records import Verdict
from gradgauge.report import summary_lines
from gradgauge.runs import RunFolder
from tests.report import synthetic
from tests.report.synthetic import agreement, case, write_run


def test_the_standard_run_in_words(standard_run: RunFolder) -> None:
    lines = summary_lines(standard_run)
    assert lines[0] == "1 thing is wrong:"
    assert "multiply: saved_inputs · compiled: crashed" in lines[1]
    assert "killed by signal 11" in lines[1]
    assert "Disagree as they say themselves: ternary_activation: published." in lines
    assert any("triton" in line for line in lines)
    assert (
        "multiply, training (cpu · float32, 256x256 to 4096x4096): reference · compiled is fastest, "
        "2.10–2.57× the speed of the reference" in lines
    )
    assert (
        "relu, training (cpu · float32, 256x256 to 4096x4096): "
        "no difference seen between reference · compiled and where · compiled" in lines
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
