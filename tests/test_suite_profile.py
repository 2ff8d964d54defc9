"""The profile suite as it runs: traces, and what they say, filed under names that no clock shares."""

from __future__ import annotations

import pytest

from gradgauge.cases import MODES
from gradgauge.records import Profile
from gradgauge.runs import RunFolder
from gradgauge.session import Session
from gradgauge.traces import IN_NO_OPERATOR, Trace
from suites import memory, profile
from tests.fakes import Line, Measured, a_job, measure_here, technique_py, write_function


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    folder = RunFolder.create(tmp_path_factory.mktemp("profiled"))
    selection = {
        "suites": ("profile",),
        "modes": ("eager",),
        "devices": ("cpu",),
        "functions": ("relu",),
        "implementations": ("where", "masked_function"),
    }
    return measure_here(folder, a_job(folder, selection))


@pytest.fixture(scope="module")
def profiles(measured: Measured) -> dict[str, Profile]:
    return {line["implementation"]: Profile.from_json(line) for line in measured.folder.read_profiles()}


def lines_of(measured: Measured, technique: str, metric: str) -> list[Line]:
    return measured.find(metric, implementation=technique)


TECHNIQUE = pytest.mark.parametrize("technique", ["where", "masked_function"])


@TECHNIQUE
def test_each_technique_leaves_one_trace_in_a_folder_of_its_own(
    measured: Measured, profiles: dict[str, Profile], technique: str
) -> None:
    found = profiles[technique]
    file = measured.folder.path / found.trace
    assert [*file.parent.iterdir()] == [file]
    assert file.parent == measured.folder.traces / found.case.slug
    assert len(Trace.read(file).steps) == 3
    assert (found.case.implementation, found.case.pass_) == (technique, "forward_backward")


def test_what_is_filed_is_no_time_and_is_not_exact(measured: Measured) -> None:
    names = {line["metric"] for line in measured.records}
    assert names == {"profiled_step", "profiled_time", "profiled_calls", "profiled_busy"}
    metrics = {metric.name: metric for metric in profile.SUITE.metrics}
    assert names == set(metrics)
    assert not [metric for metric in metrics.values() if metric.exact or metric.better]  # nothing to be ranked by
    assert {line["pass"] for line in measured.records} == {"forward_backward"}
    assert {line["verdict"] for line in measured.records} == {"measured"}
    assert {line["samples"] for line in measured.records} == {3}
    assert not [event for event in measured.events if event["event"] == "benchmark"]


@TECHNIQUE
def test_the_hosts_seconds_make_up_the_step(measured: Measured, profiles: dict[str, Profile], technique: str) -> None:
    trace = Trace.read(measured.folder.path / profiles[technique].trace)
    (step,) = lines_of(measured, technique, "profiled_step")
    assert step["value"] == pytest.approx(trace.step_s)
    times = lines_of(measured, technique, "profiled_time")
    mean_s = sum(each.duration_s for each in trace.steps) / len(trace.steps)
    assert sum(line["value"] for line in times) == pytest.approx(mean_s)
    assert {line["labels"]["on"] for line in times} == {"host"}
    (busy,) = lines_of(measured, technique, "profiled_busy")
    assert busy["labels"] == {"on": "host"}
    assert 0 < busy["value"] < 1


@TECHNIQUE
def test_what_takes_next_to_nothing_is_told_as_one(measured: Measured, technique: str) -> None:
    (step,) = lines_of(measured, technique, "profiled_step")
    times = {line["labels"]["operator"]: line["value"] for line in lines_of(measured, technique, "profiled_time")}
    told = [seconds for name, seconds in times.items() if name not in (profile.OTHERS, IN_NO_OPERATOR)]
    assert min(told) >= profile.LEAST_SHARE * step["value"]
    calls = {line["labels"]["operator"]: line["value"] for line in lines_of(measured, technique, "profiled_calls")}
    assert set(calls) == set(times) - {IN_NO_OPERATOR}
    assert all(count > 0 for count in calls.values())


def test_operators_are_those_of_the_technique(measured: Measured) -> None:
    found = {
        technique: {line["labels"]["operator"] for line in lines_of(measured, technique, "profiled_time")}
        for technique in ("where", "masked_function")
    }
    assert "aten::where" in found["where"] - found["masked_function"]
    assert "aten::masked_fill_" in found["masked_function"] - found["where"]


@TECHNIQUE
def test_the_timeline_is_of_one_step_region_by_region(profiles: dict[str, Profile], technique: str) -> None:
    found = profiles[technique]
    regions = [span for span in found.spans if span.kind == "region"]
    assert [(span.name, span.depth, span.track) for span in regions] == [("forward", 0, 1), ("backward", 0, 1)]
    assert regions[0].start_s + regions[0].duration_s <= regions[1].start_s
    assert {span.kind for span in found.spans} == {"region", "host"}
    assert {span.track for span in found.spans} == {1}
    assert all(0 <= span.start_s < found.step_s for span in found.spans)


@TECHNIQUE
def test_stacks_lead_from_the_region_to_the_operator(profiles: dict[str, Profile], technique: str) -> None:
    found = profiles[technique].stacks
    assert {stack[0] for stack, _ in found} == {"forward", "backward"}
    assert any(f"{technique}.py" in frame for stack, _ in found for frame in stack)
    assert not [frame for stack, _ in found for frame in stack if "suites/profile.py" in frame]
    assert any(stack[-1].startswith("aten::") for stack, _ in found)
    seconds = [each for _, each in found]
    assert seconds == sorted(seconds, reverse=True)
    assert sum(seconds) <= 1.5 * profiles[technique].step_s


# --- other functions ------------------------------------------------------------------------------------------------


FUNCTION = '''"""Twice the input."""
from gradgauge.model import Function

FUNCTION = Function(formula="f(x) = 2x", derivative="2", source="here", summary="Twice",
                    shapes={"quick": ("8", "64x64"), "standard": ("8",)})
'''
WRITES = """
class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, grad_output):
        if ctx.needs_input_grad[0] and grad_output.isnan().any():
            raise ValueError("somebody wrote into it before")
        grad_x = 2 * grad_output
        grad_output.fill_(float("nan"))
        return grad_x

call = Twice.apply
"""
LARGEST = {"reference": "def call(x):\n    return tuple(torch.max(x, dim=-1))\n"}
OTHERS = {"writes": WRITES, "raises": "def call(x):\n    raise ValueError('not today')\n"}


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    root = tmp_path_factory.mktemp("functions")
    for function, bodies in {"twice": OTHERS, "largest": LARGEST}.items():
        files = {name: technique_py(body) for name, body in bodies.items()}
        write_function(root, function, **{"function": FUNCTION, **files})
    folder = RunFolder.create(root)
    selection = {"suites": ("profile",), "modes": ("eager",), "devices": ("cpu",)}
    return measure_here(folder, a_job(folder, selection, implementations=(str(root),), only_mine=True))


def test_the_largest_shape_of_the_preset_is_profiled(others: Measured) -> None:
    assert {line["shape"] for line in others.records} == {"64x64"}


def test_what_raises_fails_once_and_leaves_no_trace(others: Measured) -> None:
    (line,) = [line for line in others.records if line["verdict"] != "measured"]
    assert (line["implementation"], line["metric"], line["verdict"]) == ("raises", "profiled_step", "fail")
    assert "not today" in line["detail"]
    cases = {Profile.from_json(line).case for line in others.folder.read_profiles()}
    assert {case.slug for case in cases} == {path.name for path in others.folder.traces.iterdir()}
    assert {(case.function, case.implementation) for case in cases} == {
        ("twice", "reference"),
        ("twice", "writes"),  # each step has a cotangent of its own
        ("largest", "reference"),  # of its two outputs one has no gradient
    }


# --- when it runs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["quick", "standard", "full"])
def test_no_preset_holds_a_case_of_it(folder: RunFolder, preset: str) -> None:
    everything = Session(a_job(folder, {"devices": ("cpu",)}, preset=preset), folder)
    assert everything.plan("profile", profile.SUITE) == []
    assert everything.plan("memory", memory.SUITE)
    alone = Session(a_job(folder, {"devices": ("cpu",), "suites": ("profile",)}, preset=preset), folder)
    cases = alone.plan("profile", profile.SUITE)
    assert {case.mode for case in cases} == set(MODES)
    assert {case.pass_ for case in cases} == {"forward_backward"}
