from __future__ import annotations

from pathlib import Path

import pytest

from gradgauge.records import Record, Series, Verdict
from gradgauge.report import write_report
from tests.report.synthetic import case, timed, write_run


@pytest.mark.parametrize("value_s", [5e-324, 1e-12, 1e308])
def test_times_at_the_ends_of_the_floats_are_drawn(parent: Path, value_s: float) -> None:
    records = [timed(case("relu", "where/eager", "forward", shape), value_s) for shape in ("4x4", "8x8", "scalar")]
    records.append(timed(case("relu", "reference/eager", "forward", "4x4"), 1.0))
    assert "<svg role" in write_report(write_run(parent, records, [])).read_text(encoding="utf-8")


@pytest.mark.parametrize("value_s", [0.0, -1.0])
def test_times_that_no_axis_can_show_are_in_the_table(parent: Path, value_s: float) -> None:
    record = timed(case("relu", "where/eager", "forward", "4x4"), value_s)
    html = write_report(write_run(parent, [record], [])).read_text(encoding="utf-8")
    assert ("0 s" if value_s == 0 else "-1.00 s") in html


def test_a_wild_interval_does_not_press_the_picture_flat(parent: Path) -> None:
    measured = case("relu", "where/eager", "forward", "4x4")
    wild = Record("speed", measured, "time", 1e-3, "s", Verdict.NOISY, "", 0.0, 1e308, 3)
    html = write_report(write_run(parent, [wild], [])).read_text(encoding="utf-8")
    assert ">1 ms</text>" in html


def test_bytes_and_curves_at_the_ends_of_the_floats_are_drawn(parent: Path) -> None:
    measured = case("relu", "where/eager", "forward", "4x4")
    records = [Record("memory", measured, "saved_bytes", value, "byte", Verdict.MEASURED) for value in (1e308,)]
    curve = Series(measured, "value", (-1e308, 0.0, 1e308), (-1e308, 5e-324, 1e308))
    html = write_report(write_run(parent, records, [curve])).read_text(encoding="utf-8")
    assert html.count("<svg role") == 2


def test_shapes_without_elements_are_in_the_table_only(parent: Path) -> None:
    records = [timed(case("relu", "where/eager", "forward", shape), 1e-3) for shape in ("0x3", "odd", "4", "8")]
    html = write_report(write_run(parent, records, [])).read_text(encoding="utf-8")
    assert ">elements</text>" in html
    assert ">0x3<" in html
    assert ">odd<" in html
