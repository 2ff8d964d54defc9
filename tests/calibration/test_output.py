from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibration.output import excess, machine_line, machine_of, percentile, publish, share, table


# By hand: 0.95 of the way through five values is place 3.8, eight tenths of the way from the fourth to the fifth.
@pytest.mark.parametrize(
    ("values", "part", "expected"),
    [([3.0], 0.95, 3.0), ([1.0, 2.0], 0.5, 1.5), ([5.0, 1.0, 2.0, 3.0, 4.0], 0.95, 4.8), ([1.0, 2.0, 4.0], 1.0, 4.0)],
)
def test_percentiles_are_interpolated(values: list[float], part: float, expected: float) -> None:
    assert percentile(values, part) == pytest.approx(expected)


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_a_table_is_markdown() -> None:
    assert table(["of", "cases"], [["all", 3]]) == "| of | cases |\n| --- | ---: |\n| all | 3 |"


def test_what_is_missing_is_a_dash_and_no_zero() -> None:
    assert (excess(None), excess(1.0), excess(1.25)) == ("–", "0.0 %", "25.0 %")
    assert (share(0, 0), share(0, 4), share(1, 4)) == ("0", "0 (0.0 %)", "1 (25.0 %)")


def test_the_machine_is_said_as_far_as_it_is_known() -> None:
    description = {"environment": {"machine": {"cpu": "a CPU", "usable_cores": 2}, "torch": {"threads": 1}}}
    assert machine_line(machine_of(description)) == "cpu: a CPU, usable cores: 2, threads: 1"
    assert machine_line(machine_of({})) == ""


def test_the_answer_is_printed_and_written_where_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish("# said", {"value": None}, None)
    publish("# said", {"value": None}, tmp_path / "new" / "answer.json")
    assert capsys.readouterr().out == "# said\n# said\n"
    assert json.loads((tmp_path / "new" / "answer.json").read_text(encoding="utf-8")) == {"value": None}
    with pytest.raises(ValueError, match="not JSON compliant"):
        publish("", {"value": float("nan")}, tmp_path / "answer.json")
