from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from gradgauge.cases import Case
from gradgauge.records import Record, Series, Verdict
from gradgauge.report import summary_lines, write_report
from gradgauge.report.control import Control, controls
from gradgauge.report.data import RunData
from gradgauge.report.summary import drifting
from gradgauge.runs import RunFolder
from tests.report import synthetic, synthetic_timing
from tests.report.page import read
from tests.report.synthetic import write_run
from tests.report.synthetic_timing import GPU

STILL = "The machine did not hold still"


def line(*points: tuple[float, float], device: str = "cpu", name: str = "control", function: str = "") -> Series:
    drawn = Case(function, "control", "", "", device, "float32", "262144", "")
    return Series(drawn, name, tuple(x for x, _ in points), tuple(y for _, y in points), "s", "s")


def control_of(parent: Path, *lines: Series) -> list[Control]:
    return controls(RunData.load(write_run(parent, [], list(lines))))


def sections(parent: Path, records: list[Record], series: list[Series]) -> dict[str, str]:
    folder = write_run(parent, records, series, **synthetic_timing.changes())
    return read(write_report(folder).read_text(encoding="utf-8")).sections


def test_drift_is_the_slowest_block_s_median_over_the_fastest_one_s(parent: Path) -> None:
    # Medians of the blocks: 1.0, 1.1 and 1.2, then 1.0 three times. The 9.0 is one point of a calm block.
    late = line((30.0, 1.2), (31.0, 1.1), (32.0, 1.3))
    early = line((2.0, 1.0), (0.0, 1.0), (1.0, 9.0))
    middle = line((10.0, 1.1), (11.0, 0.9), (12.0, 1.1))
    rest = [line((x, 1.05), (x + 1, 1.05), (x + 2, 1.05)) for x in (40.0, 50.0, 60.0)]
    (found,) = control_of(parent, late, *rest, early, middle)
    assert [block.start_s for block in found.blocks] == [0.0, 10.0, 30.0, 40.0, 50.0, 60.0]
    assert [x for x, _ in found.points][:9] == [0.0, 1.0, 2.0, 10.0, 11.0, 12.0, 30.0, 31.0, 32.0]
    assert [stretch.median_s for stretch in found.stretches] == [1.0, 1.1, 1.2, 1.05, 1.05, 1.05]
    assert math.isclose(found.drift, 0.2)
    assert found.drift_in_words == "20 % longer at its slowest (30 s into the session) than at its fastest (0 s)"


def test_a_machine_that_moves_halfway_is_far_from_neither_median_and_has_drifted(parent: Path) -> None:
    # Of the median of all, 1.095, neither half is further than 9 %.
    blocks = [line((x, y), (x + 1, y), (x + 2, y)) for x, y in ((0.0, 1.0), (9.0, 1.0), (18.0, 1.19), (27.0, 1.19))]
    (found,) = control_of(parent, *blocks)
    assert math.isclose(found.drift, 0.19)
    assert found.has_drifted


def test_one_long_block_can_drift(parent: Path) -> None:
    (found,) = control_of(parent, line(*((float(x), 1.0 if x < 6 else 1.19) for x in range(12))))
    assert [len(stretch.points) for stretch in found.stretches] == [3, 3, 3, 3]
    assert math.isclose(found.drift, 0.19)
    assert found.drift_in_words == "19 % longer at its slowest (6 s into the session) than at its fastest (0 s)"


@pytest.mark.parametrize("where", range(12))
def test_a_single_point_is_no_drift_wherever_it_stands(parent: Path, where: int) -> None:
    (found,) = control_of(parent, line(*((float(x), 5.0 if x == where else 1.0) for x in range(12))))
    assert found.drift == 0.0


@pytest.mark.parametrize("where", range(4))
def test_a_block_of_a_point_or_two_is_judged_with_its_neighbours(parent: Path, where: int) -> None:
    def at(index: int) -> float:
        return 5.0 if index == where else 1.0

    calm = line((10.0, 1.0), (11.0, 1.0), (12.0, 1.0))
    blocks = [line((0.0, at(0))), calm, line((20.0, at(1)), (21.0, at(2))), line((30.0, at(3)))]
    (found,) = control_of(parent, *blocks)
    assert found.drift == 0.0
    assert sorted(point for stretch in found.stretches for point in stretch.points) == list(found.points)
    assert min(len(stretch.points) for stretch in found.stretches) >= 3


def test_a_device_that_became_faster_has_drifted_too(parent: Path) -> None:
    blocks = (line((x, y), (x + 1, y), (x + 2, y)) for x, y in ((0.0, 1.0), (5.0, 1.0), (10.0, 1.0), (20.0, 0.8)))
    (found,) = control_of(parent, *blocks)
    assert found.drift_in_words == "25 % longer at its slowest (0 s into the session) than at its fastest (20 s)"
    assert found.has_drifted


@pytest.mark.parametrize(("last_s", "moved"), [(1.11, True), (1.09, False), (0.92, False), (0.89, True)])
def test_more_than_ten_percent_is_called_out(parent: Path, last_s: float, moved: bool) -> None:
    blocks = [line((float(x), 1.0), (x + 1.0, 1.0), (x + 2.0, 1.0)) for x in range(0, 40, 10)]
    last = line((50.0, last_s), (51.0, last_s), (52.0, last_s))
    run = RunData.load(write_run(parent, [], [*blocks, last]))
    assert bool(drifting(run)) is moved


def test_points_that_are_none_are_passed_over_and_never_zero(parent: Path) -> None:
    holes = line((0.0, math.nan), (math.nan, 1.0), (2.0, 0.0), (3.0, -1.0))
    assert control_of(parent, holes) == []
    (found,) = control_of(parent / "other", holes, line((4.0, 2.0), (5.0, math.nan)))
    assert found.points == ((4.0, 2.0),)
    assert found.drift == 0.0


def test_devices_are_held_against_themselves_and_other_curves_are_no_control(parent: Path) -> None:
    found = control_of(
        parent,
        line((0.0, 1.0), device=GPU),
        line((1.0, 5.0)),
        line((2.0, 7.0), name="value"),
        line((3.0, 7.0), function="relu"),
    )
    assert [(control.device, control.fastest.median_s) for control in found] == [(GPU, 1.0), ("cpu", 5.0)]


def test_a_drifting_session_qualifies_the_advice(gpu_run: RunFolder, gpu_sections: dict[str, str]) -> None:
    summary = gpu_sections["summary"]
    extremes = "23 % longer at its slowest (48 s into the session) than at its fastest (2 s)"
    assert f"On cuda:0, the control took {extremes}: see “Is anything wrong?”." in summary
    assert "On cpu, the control" not in summary
    assert summary_lines(gpu_run)[0].startswith("≈ cuda:0 did not hold still: the control took 23 % longer")


def test_a_calm_session_is_not_called_out(parent: Path) -> None:
    series = synthetic_timing.control("cpu", drift=0.05)
    folder = write_run(parent, synthetic_timing.cpu_records(), series, **synthetic_timing.changes())
    shown = read(write_report(folder).read_text(encoding="utf-8")).sections
    assert STILL not in shown["summary"]
    assert not any("hold still" in text for text in summary_lines(folder))
    extremes = "5 % longer at its slowest (48 s into the session) than at its fastest (2 s)"
    assert f"✓ over 12 timed blocks in 1 min 16 s, the control took {extremes}." in shown["machine"]


def test_three_points_prove_nothing(parent: Path) -> None:
    shown = sections(parent, [], [line((0.0, 1.0), (1.0, 1.0), (2.0, 1.0))])["machine"]
    assert "too few points to see it move: 3 in 1 timed block in 2.0 s." in shown
    assert "✓" not in shown


def test_the_drift_is_drawn_with_words_for_those_who_do_not_see_it(parent: Path) -> None:
    folder = write_run(parent, [], synthetic_timing.control(GPU, drift=0.23), **synthetic_timing.changes())
    page = read(write_report(folder).read_text(encoding="utf-8"))
    (drawing,) = [attributes for tag, attributes in page.elements if tag == "svg" and attributes.get("role") == "img"]
    assert drawing["aria-label"] == (
        "Drift of cuda:0 against the time into the session: over 12 timed blocks in 1 min 16 s, the control took "
        "23 % longer at its slowest (48 s into the session) than at its fastest (2 s)."
    )
    assert "+23 %" in page.sections["machine"]


@pytest.mark.parametrize("time_s", [5e-324, 1e-300, 1e299, 1e308])
def test_a_control_at_the_ends_of_the_floats_is_drawn(parent: Path, time_s: float) -> None:
    lines = [line((0.0, 1.0), (1.0, 1.0)), line((2.0, time_s), (1e300, 1.0)), line((3.0, time_s), (4.0, time_s))]
    lines += [line((5.0, time_s), (6.0, time_s), (7.0, time_s))]
    assert "control" in sections(parent, [], lines)["machine"]


def test_peaks_and_overhead_are_the_records_own(gpu_sections: dict[str, str]) -> None:
    shown = gpu_sections["machine"]
    for told in ("copy", "6.00 TB/s", "2.40 TB/s", "2.38–2.42 TB/s", "clone", "sigmoid", "51.7 TFLOP/s", "16777216"):
        assert told in shown
    for told in ("110 ns", "130 ns", "290 ns", "370 ns"):
        assert told in shown
    assert "differentiates nothing, averaged over the many calls of a round" in shown
    assert "autograd" not in shown


def test_a_peak_without_a_value_is_no_zero_and_a_noisy_one_says_so(parent: Path) -> None:
    first, second, *_ = synthetic_timing.machine_records("cpu")
    broken = replace(first, value=None, low=None, high=None, verdict=Verdict.UNSUPPORTED, detail="no memory left")
    shown = sections(parent, [broken, replace(second, verdict=Verdict.NOISY)], [])
    assert "unsupported" in shown["machine"]
    assert "≈ 19.2 GB/s" in shown["machine"]
    assert "0 B/s" not in shown["machine"]
    assert "no memory left" in shown["not_run"]


def test_what_a_custom_function_costs_stands_beside_the_harness(parent: Path) -> None:
    harness = [record for record in synthetic_timing.machine_records("cpu") if record.metric == "overhead"]
    custom = [
        replace(
            record,
            case=replace(record.case, implementation="custom_function"),
            metric="function_overhead",
            value=(record.value or 0) * 100,
        )
        for record in harness
    ]
    shown = sections(parent, [*harness, *custom], [])
    for told in ("the harness", "110 ns", "a custom Function", "11.0 µs", "37.0 µs", "does nothing", "win that back"):
        assert told in shown["machine"]
    assert "other" not in shown
    alone = sections(parent / "alone", custom, [])["machine"]
    assert "a custom Function" in alone
    assert "does nothing" not in alone


def test_the_machine_s_records_stand_in_its_section_alone(parent: Path) -> None:
    shown = sections(parent, synthetic_timing.cpu_records(), synthetic_timing.control("cpu"))
    assert "other" not in shown
    for name in ("functions", "times", "memory", "gradients"):
        assert "matmul" not in shown[name]
        assert "empty" not in shown[name]


def test_an_older_run_has_no_such_section(parent: Path) -> None:
    folder = write_run(parent, list(synthetic.memory_records()))
    assert "machine" not in read(write_report(folder).read_text(encoding="utf-8")).sections
