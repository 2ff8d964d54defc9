from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from calibration import plain_benchmark
from calibration.figures import Key, Problem
from calibration.plain import plain_costs, run_plain, timed_seconds
from tests.calibration.building import USUAL, a_key
from tests.fakes import a_case


def an_entry_of(key: Key, median: float | None, total: float = 1.0, iterations: int = 1) -> dict[str, Any]:
    return {
        "extra_info": key.case.to_json(),
        "stats": {"median": median, "total": total, "iterations": iterations},
    }


def test_medians_are_found_by_case_and_what_has_none_is_missing() -> None:
    one, other, none = a_key("where"), a_key("native", USUAL), a_key("masked")
    document = {"benchmarks": [an_entry_of(one, 0.5), an_entry_of(other, 2.0), an_entry_of(none, 0.0)]}
    absent = a_key("absent")
    assert plain_costs(document, [one, other, none, absent]) == {one: 0.5, other: 2.0, none: None, absent: None}


def test_timed_seconds_count_every_call_of_a_round() -> None:
    # Two cases: rounds that sum to 0.5 s a call at 4 calls a round, and to 3 s at one.
    document = {"benchmarks": [an_entry_of(a_key("a"), 1.0, 0.5, 4), an_entry_of(a_key("b"), 1.0, 3.0)]}
    assert timed_seconds(document) == pytest.approx(5.0)


@pytest.mark.parametrize("pass_", ["inference", "forward", "backward", "forward_backward"])
def test_each_pass_times_what_its_name_says(pass_: str) -> None:
    x = torch.tensor([1.0, -1.0], requires_grad=True)
    called: list[tuple[bool, bool]] = []

    def call(tensor: torch.Tensor) -> torch.Tensor:
        called.append((torch.is_inference_mode_enabled(), timed))
        return tensor * 2

    timed = False
    setup, target = plain_benchmark.steps_of(a_case(pass_=pass_), call, (x,), (torch.ones(2),))
    for _ in range(2):
        timed = False
        prepared = setup()
        assert x.grad is None
        timed = True
        target(*prepared)
    assert called == [(pass_ == "inference", pass_ != "backward")] * 2
    # No accumulation: 2 and not 4 after the second round.
    assert x.grad is None or x.grad.tolist() == [2.0, 2.0]
    assert (x.grad is not None) == (pass_ == "backward")


def test_warming_up_calls_what_is_prepared_each_time() -> None:
    seen: list[int] = []
    plain_benchmark.warm_up(lambda: (len(seen),), seen.append)
    assert seen == [0, 1, 2]


@pytest.mark.slow
def test_plain_pytest_times_the_cases_and_a_failing_one_costs_only_itself(tmp_path: Path) -> None:
    cases = [a_case(pass_=pass_, shape="4x4") for pass_ in ("inference", "forward", "backward", "forward_backward")]
    cases.append(a_case(implementation="no_such", shape="4x4"))
    output = tmp_path / "plain.json"
    wall_s = run_plain(cases, seed=0, max_time_s=0.001, output=output)
    found = plain_costs(json.loads(output.read_text(encoding="utf-8")), [Key(case) for case in cases])
    *values, missing = found.values()
    assert all(value is not None for value in values)
    assert missing is None
    assert wall_s > 0


@pytest.mark.slow
def test_a_pytest_that_found_no_test_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="plain pytest ended with status"):
        run_plain([], seed=0, max_time_s=0.001, output=tmp_path / "no" / "such" / "folder.json")
