"""The memory suite as it runs: what a pass allocates, what a forward keeps, each storage with its role."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gradgauge.cases import PASSES
from gradgauge.gauge import Gauge
from gradgauge.passes import Pass
from gradgauge.runs import RunFolder
from suites import memory
from tests.fakes import Line, Measured, a_case, a_job, measure_here, technique_py, write_function

BYTES = 4 * 64
STASHES = """
class Stash(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.stash = {}
        return 2 * x

    @staticmethod
    def backward(ctx, grad_output):
        return 2 * grad_output

call = Stash.apply
"""
WEIGHTED = """
WEIGHT = torch.ones(64)

def call(x):
    return x.exp() * WEIGHT
"""
IN_A_THREAD = """
from threading import Thread

def call(x):
    kept = []
    thread = Thread(target=lambda: kept.append(x + x))
    thread.start()
    thread.join()
    return kept[0]
"""
TECHNIQUES = {
    "linear": "def call(x):\n    return x + x\n",
    "twice_kept": "def call(x):\n    return torch.where(x > 0, x.sigmoid().exp(), 0.0)\n",
    "on_ctx": STASHES.format("x > 0"),
    "hidden": STASHES.format("iter([x.exp()])"),
    "in_a_thread": IN_A_THREAD,
    "raises_when_watched": (
        "def call(x):\n"
        "    if torch._C._autograd._top_saved_tensors_default_hooks(False):\n"
        "        raise RuntimeError('not while you look')\n"
        "    return x + x\n"
    ),
}


def measure(tmp_path_factory: pytest.TempPathFactory, mode: str, **bodies: str) -> Measured:
    root = tmp_path_factory.mktemp("functions")
    write_function(root, **{name: technique_py(body) for name, body in bodies.items()})
    folder = RunFolder.create(root)
    selection = {"suites": ("memory",), "modes": (mode,), "devices": ("cpu",), "shapes": ("64",)}
    return measure_here(folder, a_job(folder, selection, implementations=(str(root),), only_mine=True))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return measure(tmp_path_factory, "eager", **TECHNIQUES)


def test_each_pass_tells_what_it_allocates(measured: Measured) -> None:
    for metric, values in {
        "peak_bytes": [BYTES, BYTES, BYTES, 2 * BYTES],  # the value, and the two gradients' sum
        "allocations": [1, 1, 1, 2],
        "allocated_bytes": [BYTES, BYTES, BYTES, 2 * BYTES],
    }.items():
        found = {line["pass"]: line["value"] for line in measured.find(metric, implementation="linear")}
        assert found == dict(zip(PASSES, values, strict=True)), metric


def kept(measured: Measured, technique: str) -> list[Line]:
    return measured.find("kept_bytes", implementation=technique)


def totals(measured: Measured, technique: str) -> tuple[float, float]:
    (saved,) = measured.find("saved_bytes", implementation=technique)
    (extra,) = measured.find("saved_extra_bytes", implementation=technique)
    assert {line["pass"] for line in (saved, extra, *kept(measured, technique))} == {"forward"}
    return saved["value"], extra["value"]


def test_nothing_kept_is_zero_bytes_and_no_entry(measured: Measured) -> None:
    assert totals(measured, "linear") == (0, 0)
    assert kept(measured, "linear") == []


def test_each_storage_that_is_kept_has_a_record_with_its_role_and_keeper(measured: Measured) -> None:
    assert totals(measured, "twice_kept") == (2 * BYTES + 64, 2 * BYTES + 64)
    assert [(line["value"], line["labels"], line["detail"]) for line in kept(measured, "twice_kept")] == [
        (
            BYTES,
            {"role": "intermediate", "storage": "1", "tensor": "float32 64"},
            "kept by ExpBackward0 (result)",
        ),
        (
            BYTES,
            {"role": "intermediate", "storage": "2", "tensor": "float32 64"},
            "kept by SigmoidBackward0 (result)",
        ),
        (
            64,
            {"role": "intermediate", "storage": "3", "tensor": "bool 64"},
            "kept by WhereBackward0 (condition)",
        ),
    ]


def test_what_python_keeps_is_said_to_be_kept_by_python(measured: Measured) -> None:
    assert totals(measured, "on_ctx") == (64, 64)
    (line,) = kept(measured, "on_ctx")
    assert line["labels"] == {"role": "intermediate", "storage": "1", "tensor": "bool 64"}
    assert line["detail"] == "kept by Python code: ctx, a closure, a hook or a global"


def test_what_nobody_can_reach_is_elsewhere(measured: Measured) -> None:
    assert totals(measured, "hidden") == (BYTES, BYTES)
    (line,) = kept(measured, "hidden")
    assert line["labels"] == {"role": "elsewhere", "storage": "1"}
    assert line["detail"] == "the allocator says that it is kept; no tensor that can be reached has it"


def test_a_forward_that_cannot_be_watched_is_no_fault(measured: Measured) -> None:
    lines = [line for line in measured.records if line["implementation"] == "raises_when_watched"]
    (saved,) = [line for line in lines if line["verdict"] != "measured"]
    assert (saved["metric"], saved["pass"], saved["verdict"]) == ("saved_bytes", "forward", "unsupported")
    assert saved["detail"] == "looking for what it keeps raised RuntimeError: not while you look"
    assert {line["metric"] for line in lines} == {"peak_bytes", "allocations", "allocated_bytes", "saved_bytes"}


def test_what_runs_in_a_thread_of_its_own_is_not_claimed_to_take_nothing(measured: Measured) -> None:
    lines = [line for line in measured.records if line["implementation"] == "in_a_thread"]
    assert {(line["metric"], line["verdict"]) for line in lines} == {
        ("peak_bytes", "unsupported"),
        ("saved_bytes", "unsupported"),
        ("peak_bytes", "measured"),  # of the backward, which autograd runs where it is asked to
        ("allocations", "measured"),
        ("allocated_bytes", "measured"),
    }
    measured_passes = {line["pass"] for line in lines if line["verdict"] == "measured"}
    assert measured_passes == {"backward"}
    details = {line["detail"] for line in lines if line["verdict"] == "unsupported"}
    assert details == {"runs operators in a thread of its own, whose memory the profiler does not see"}


def test_every_value_is_exact(measured: Measured) -> None:
    exact = {metric.name for metric in memory.SUITE.metrics if metric.exact}
    assert {line["metric"] for line in measured.records} == exact == {metric.name for metric in memory.SUITE.metrics}
    assert {type(line["value"]) for line in measured.records if line["verdict"] == "measured"} == {int}


@pytest.mark.parametrize(
    ("pass_", "can", "filed", "snapshots"),
    [
        ("forward_backward", True, True, 1),
        ("forward_backward", False, True, 0),
        ("forward_backward", True, False, 0),
        ("forward", True, True, 0),
    ],
)
def test_a_snapshot_is_of_forward_and_backward_where_there_is_a_run_folder(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, pass_: str, *, can: bool, filed: bool, snapshots: int
) -> None:
    written: list[tuple[Any, RunFolder]] = []

    def write(action: Any, case: Any, folder: RunFolder) -> None:
        action()
        written.append((case, folder))

    monkeypatch.setattr(memory, "can_snapshot", lambda device: can)
    monkeypatch.setattr(memory, "write_snapshot", write)
    case = a_case(pass_=pass_)
    session = SimpleNamespace(folder=folder if filed else None)
    runs: list[Any] = []
    memory._allocations(cast("Gauge", SimpleNamespace(case=case, session=session)), Pass(lambda n: n, runs.append))
    assert written == [(case, folder)] * snapshots
    assert runs == [1] * (2 + snapshots)  # whether it is one thread, what it allocates


def test_no_case_on_a_cpu_leaves_a_snapshot(measured: Measured) -> None:
    assert not measured.folder.snapshots.exists()


@pytest.mark.slow
def test_compiled_what_the_technique_itself_holds_is_alive_anyway(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    compiled = measure(tmp_path_factory, "compiled", weighted=WEIGHTED)
    found = {line["labels"]["role"] for line in kept(compiled, "weighted")}
    assert "input" in found
    assert totals(compiled, "weighted")[1] == 0
