from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gradgauge.report import summary_lines, write_report
from gradgauge.report.data import RunData
from gradgauge.runs import RunFolder, UnreadableRun
from tests.report.synthetic_profile import case_of, profile, write_profiled


@pytest.fixture
def folder(parent: Path) -> RunFolder:
    return write_profiled(parent)


def test_profiles_come_back_as_they_were_written(folder: RunFolder) -> None:
    run = RunData.load(folder)
    assert len(run.profiles) == 3
    assert run.profiles[0] == profile(case_of("where/eager"))


def test_an_older_run_has_none(standard_run: RunFolder) -> None:
    assert RunData.load(standard_run).profiles == ()


def test_of_one_suite_no_profiles_are_read(folder: RunFolder) -> None:
    assert RunData.load(folder, "profile").profiles == ()


def edit(folder: RunFolder, **changes: Any) -> None:
    lines = [json.loads(line) for line in folder.profiles_jsonl.read_text().splitlines()]
    lines[1] = {key: value for key, value in (lines[1] | changes).items() if value is not KeyError}
    folder.profiles_jsonl.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"trace": KeyError}, "trace: missing, expected a string"),
        ({"trace": ""}, "trace: str '', expected a string"),
        ({"trace": 3}, "trace: int 3, expected a string"),
        ({"step_s": KeyError}, "step_s: missing, expected a number"),
        ({"step_s": "long"}, "step_s: str 'long', expected a number"),
        ({"names": KeyError}, "names: missing, expected a list"),
        ({"spans": KeyError}, "spans: missing, expected a list"),
        ({"stacks": KeyError}, "stacks: missing, expected a list"),
        ({"names": [3]}, "names[0]: int 3, expected a string"),
        ({"spans": [[0, "host", 1, 0, 0.0]]}, "spans[0]: list [0, 'host', 1, 0, 0.0], expected a list of 6"),
        ({"spans": [[99, "host", 1, 0, 0.0, 1.0]]}, "spans[0][0]: int 99, expected a number below"),
        ({"spans": [[-1, "host", 1, 0, 0.0, 1.0]]}, "spans[0][0]: int -1, expected a whole number from 0"),
        ({"spans": [[0.5, "host", 1, 0, 0.0, 1.0]]}, "spans[0][0]: float 0.5, expected a whole number from 0"),
        ({"spans": [[0, "guest", 1, 0, 0.0, 1.0]]}, "spans[0][1]: str 'guest', expected one of region, host, device"),
        ({"spans": [[0, "host", True, 0, 0.0, 1.0]]}, "spans[0][2]: bool True, expected a number"),
        ({"spans": [[0, "host", 1, None, 0.0, 1.0]]}, "spans[0][3]: missing, expected a whole number from 0"),
        ({"spans": [[0, "host", 1, 0, 0.0, 10**400]]}, "spans[0][5]: int 1"),
        ({"spans": {}}, "spans: dict {}, expected a list"),
        ({"stacks": [[[0]]]}, "stacks[0]: list [[0]], expected a list of 2"),
        ({"stacks": [[0, 1.0]]}, "stacks[0][0]: int 0, expected a list"),
        ({"stacks": [[[0], None]]}, "stacks[0][1]: missing, expected a number"),
        ({"shape": 7}, "shape: int 7, expected a string"),
    ],
)
def test_a_profile_that_is_none_is_refused_with_file_line_and_key(
    folder: RunFolder, changes: dict[str, Any], told: str
) -> None:
    edit(folder, **changes)
    for call in (write_report, summary_lines):
        with pytest.raises(UnreadableRun) as refusal:
            call(folder)
        assert f"profiles.jsonl:2: {told}" in str(refusal.value)


@pytest.mark.parametrize("line", ["{", "[1]", "nonsense"])
def test_a_line_that_is_no_object_is_refused(folder: RunFolder, line: str) -> None:
    folder.profiles_jsonl.write_text(f"{line}\n")
    with pytest.raises(UnreadableRun, match=r"profiles\.jsonl:1"):
        write_report(folder)


def test_a_last_line_cut_short_is_left_out_and_told(folder: RunFolder) -> None:
    with folder.profiles_jsonl.open("a") as lines:
        lines.write('{"run": "2025')
    assert len(RunData.load(folder).profiles) == 3
    assert "The last line of profiles.jsonl was cut short and is left out." in summary_lines(folder)
