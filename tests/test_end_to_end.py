"""Runs as a user has them: the command in a process of its own, from another folder, and what it leaves on disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gradgauge.cases import MODES, PASSES
from gradgauge.catalog import builtin_folder
from gradgauge.records import Profile
from gradgauge.runs import RunFolder
from gradgauge.traces import Trace
from tests.fakes import RECORD_KEYS, ROOT, Line, environment, python, read_json, write_function

pytestmark = pytest.mark.slow

TECHNIQUES = sorted(
    (file.parent.name, file.stem)
    for file in builtin_folder("implementations").glob("*/*.py")
    if file.stem != "function"
)


@dataclass
class Run:
    """A command that ended: exit status, what it printed, and its run folder."""

    status: int
    printed: str
    folder: RunFolder

    @property
    def description(self) -> dict[str, Any]:
        return self.folder.read_description()

    def find(self, **keys: str) -> list[Line]:
        wanted = {key.rstrip("_"): value for key, value in keys.items()}
        return [line for line in self.folder.read_records() if all(line[key] == value for key, value in wanted.items())]


def bench(cwd: Path, *arguments: str, command: str = "bench", hash_seed: str = "random") -> Run:
    given = ("--results", str(cwd / "results"), *arguments)
    done = python("-m", "gradgauge", command, *given, cwd=cwd, PYTHONHASHSEED=hash_seed)
    printed = done.stdout + done.stderr
    runs = sorted(path for path in (cwd / "results" / "runs").iterdir() if not path.is_symlink())
    assert runs, printed
    return Run(done.returncode, printed, RunFolder(runs[-1]))


# --- the quick preset -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Run:
    # Without its limit the preset is whole even on a slow machine with a cold compile cache.
    return bench(tmp_path_factory.mktemp("quick"), "--preset", "quick", "--limit", "none")


def test_a_quick_run_is_fine_and_complete(quick: Run) -> None:
    assert quick.status == 0, quick.printed
    assert quick.description["complete"] is True
    assert quick.description["preset"] == "quick"
    assert not quick.find(verdict="fail") + quick.find(verdict="crashed")


def test_a_run_folder_holds_the_files_of_the_design_and_no_scratch(quick: Run) -> None:
    names = {file.name for file in quick.folder.path.iterdir()}
    wanted = {"run.json", "records.jsonl", "series.jsonl", "benchmark.json", "report.html"}
    assert wanted <= names
    assert names - wanted <= {"journal.jsonl", "reproductions.jsonl", "worker.log"}


def test_the_description_has_every_key_of_the_design(quick: Run) -> None:
    described = read_json(quick.folder.run_json)
    for key in (
        "schema_version",
        "command",
        "preset",
        "seed",
        "planned",
        "left_out",
        "metrics",
        "catalog",
        "environment",
    ):
        assert described[key] not in (None, "", [], {}) or key == "seed", key
    assert described["end"] > described["start"]
    assert described["run_id"] == quick.folder.run_id
    for metric in described["metrics"].values():
        assert {"unit", "better", "exact"} <= set(metric)
    found = {
        (function, name)
        for function, entry in described["catalog"]["functions"].items()
        for name in entry["implementations"]
    }
    assert found == set(TECHNIQUES)


def test_records_have_every_key_and_are_unique(quick: Run) -> None:
    lines = quick.folder.records_jsonl.read_text(encoding="utf-8").splitlines()
    records = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert all(list(line) == RECORD_KEYS for line in records)
    assert {line["run"] for line in records} == {quick.folder.run_id}
    axes = [key for key in RECORD_KEYS[1:10] if key != "run"]
    unique = {(*(line[key] for key in axes), line["metric"], str(sorted(line["labels"].items()))) for line in records}
    assert len(unique) == len(records)
    units = {name: metric["unit"] for name, metric in quick.description["metrics"].items()}
    assert all(units[line["metric"]] == line["unit"] for line in records)


def available(quick: Run) -> list[tuple[str, str, str]]:
    functions = quick.description["catalog"]["functions"]
    return [
        (function, name, mode)
        for function, name in TECHNIQUES
        for mode in MODES
        if functions[function]["implementations"][name]["modes"][mode]["available"]
    ]


@pytest.mark.parametrize("metric", ["time", "speedup", "peak_bytes"])
def test_every_available_implementation_mode_and_pass_has_the_metric(quick: Run, metric: str) -> None:
    measured = {
        (line["function"], line["implementation"], line["mode"], line["pass"]) for line in quick.find(metric=metric)
    }
    wanted = {(*technique, pass_) for technique in available(quick) for pass_ in PASSES}
    assert measured == wanted
    assert all(line["value"] > 0 or metric == "peak_bytes" for line in quick.find(metric=metric))


def test_times_have_intervals_and_the_reference_is_exactly_as_fast_as_itself(quick: Run) -> None:
    for line in quick.find(metric="time"):
        assert line["low"] <= line["value"] <= line["high"]
        assert line["samples"] >= 7
    own = quick.find(metric="speedup", implementation="reference", mode="eager")
    assert own
    assert {(line["value"], line["low"], line["high"]) for line in own} == {(1, 1, 1)}


@pytest.mark.parametrize(
    "metric", ["saved_bytes", "value_max_ulp", "gradient_max_ulp", "value_nonfinite", "gradient_nonfinite"]
)
def test_every_available_implementation_and_mode_is_checked(quick: Run, metric: str) -> None:
    measured = {(line["function"], line["implementation"], line["mode"]) for line in quick.find(metric=metric)}
    assert measured == set(available(quick))


def test_the_published_backward_is_expected_to_fail_and_nothing_else_is(quick: Run) -> None:
    expected = quick.find(verdict="expected-fail", suite="gradients")
    assert {(line["function"], line["implementation"]) for line in expected} == {("ternary_activation", "published")}
    judged = {"gradient_max_ulp", "gradient_nonfinite", "gradcheck"}
    assert {line["metric"] for line in expected} == judged | {"atlas_gradient"}
    assert {line["mode"] for line in expected} == set(MODES)


def test_behaviour_is_as_each_implementation_says(quick: Run) -> None:
    """Of those that a slow machine has time for."""
    expected = quick.find(verdict="expected-fail", suite="behavior")
    assert {(line["implementation"], line["metric"]) for line in expected} <= {
        ("custom_function", "needs_input_grad"),
        ("published", "double_backward"),
    }
    assert not quick.find(verdict="fail", suite="behavior")


def test_both_faults_of_the_published_backward_are_told_in_the_terminal_and_on_the_page(quick: Run) -> None:
    page = quick.folder.report_html.read_text(encoding="utf-8")
    for words in ("the sign is wrong for x < −5", "NaN for x ≤ −95 and x ≥ 95"):
        assert words in quick.printed
        assert words.replace("<", "&lt;") in page


def test_the_page_stands_alone(quick: Run) -> None:
    page = quick.folder.report_html.read_text(encoding="utf-8")
    for function, name in TECHNIQUES:
        assert function in page
        assert name in page
    assert "<script src" not in page
    assert 'href="http' not in page.partition("<body")[0]
    assert str(quick.folder.report_html) in quick.printed


def test_latest_leads_to_the_run_by_a_relative_link(quick: Run) -> None:
    link = quick.folder.path.parent / "latest"
    assert os.readlink(link) == quick.folder.run_id  # noqa: PTH115  (the text of the link, not where it leads)


def test_pytest_benchmark_compares_the_run(quick: Run, tmp_path: Path) -> None:
    done = python("-m", "pytest_benchmark", "compare", str(quick.folder.benchmark_json), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Median" in done.stdout
    assert "relu-where-eager-backward-cpu-float32" in done.stdout
    entries = read_json(quick.folder.benchmark_json)["benchmarks"]
    speed = [entry for entry in entries if entry["extra_info"]["suite"] == "speed"]
    assert len(speed) == len(quick.find(metric="time"))
    assert len(entries) - len(speed) == len(quick.find(suite="machine"))


# --- what is broken costs only itself -------------------------------------------------------------------------------

CRASHING = ("aborts", "hangs")
WRONG = ("sign_fault", "zeros", "raises")


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Run:
    cwd = tmp_path_factory.mktemp("wrong")
    (cwd / "mine" / "relu").mkdir(parents=True)
    (cwd / "mine" / "relu" / "broken.py").write_text("x = 1\nraise ValueError('not today')\n", encoding="utf-8")
    (cwd / "mine" / "relu" / "dies_at_once.py").write_text("import os\nos.abort()\n", encoding="utf-8")
    folders = (ROOT / "tests" / "known_wrong_process", ROOT / "tests" / "known_wrong", cwd / "mine")
    arguments = [f"--implementations={folder}" for folder in folders]
    arguments += [f"--implementation={name}" for name in (*CRASHING, *WRONG, "where", "reference")]
    arguments += [
        "--preset=quick",
        "--function=relu",
        "--mode=eager",
        "--dtype=float32",
        "--shape=16x16",
        "--timeout=10",
    ]
    return bench(cwd, *arguments, "--suite=gradients", "--suite=memory", "--pass=forward_backward")


def test_a_run_with_failures_ends_with_1_and_is_complete(wrong: Run) -> None:
    assert wrong.status == 1, wrong.printed
    assert wrong.description["complete"] is True
    assert wrong.folder.report_html.exists()


@pytest.mark.parametrize(("name", "how"), [("aborts", "SIGABRT"), ("hangs", "took longer than --timeout 10 s")])
def test_what_aborts_or_hangs_is_crashed_once_and_costs_only_itself(wrong: Run, name: str, how: str) -> None:
    (record,) = wrong.find(implementation=name)
    assert (record["verdict"], record["value"]) == ("crashed", None)
    assert how in record["detail"]
    assert any(name in line["what"] and how in line["reason"] for line in wrong.description["left_out"])
    assert f"crashed: relu · {name} · eager" in wrong.printed


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_fails_and_is_named(wrong: Run, name: str) -> None:
    assert [line for line in wrong.find(implementation=name) if line["verdict"] == "fail"]
    assert f"fail: relu · {name} · eager" in wrong.printed


@pytest.mark.parametrize("name", ["where", "reference"])
def test_what_is_right_is_measured_beside_it(wrong: Run, name: str) -> None:
    lines = wrong.find(implementation=name)
    assert {"value_max_ulp", "gradient_max_ulp", "peak_bytes"} <= {line["metric"] for line in lines}
    assert not [line for line in lines if line["verdict"] in ("fail", "crashed")]


def test_files_that_do_not_load_are_broken_by_name_line_and_reason(wrong: Run) -> None:
    broken = {Path(each["file"]).stem: each for each in wrong.description["catalog"]["broken"]}
    assert (broken["broken"]["line"], broken["broken"]["message"]) == (2, "ValueError: not today")
    assert broken["dies_at_once"]["message"] == "loading it killed the process (SIGABRT)"
    assert "broken.py:2: ValueError: not today" in wrong.printed
    assert "dies_at_once.py: loading it killed the process (SIGABRT)" in wrong.printed


def test_the_report_can_be_written_again_elsewhere(wrong: Run, tmp_path: Path) -> None:
    page = tmp_path / "again.html"
    link = wrong.folder.path.parent / "latest"
    done = python("-m", "gradgauge", "report", str(link), "--output", str(page), cwd=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, str(page)), done.stderr
    assert page.stat().st_size > 10_000


# --- functions from outside -----------------------------------------------------------------------------------------

FUNCTION = '''"""The smaller and the larger of two numbers."""
from gradgauge.model import Function, Kink


def one_sided(a, b, low, high):
    """Where a = b, each input may be the smaller one or the larger one."""
    return (low, high), (high, low)


FUNCTION = Function(
    formula="f(a, b) = (min(a, b), max(a, b))", derivative="1 for the one that is taken", source="here",
    inputs=("a", "b"), summary="The smaller and the larger of two numbers",
    kinks=(Kink("a = b", lambda a, b: a == b, one_sided),), shapes={"quick": ("64x64,64x64",)}, curve=(-2.0, 2.0),
)
'''
REFERENCE = '''"""torch.minimum and torch.maximum."""
import torch
from gradgauge.model import Implementation

IMPLEMENTATION = Implementation(call=lambda a, b: (torch.minimum(a, b), torch.maximum(a, b)))
'''
STACKED = '''"""Both at once, over a dimension of two."""
import torch
from gradgauge.model import Implementation


def call(a, b):
    both = torch.stack((a, b))
    return both.amin(0), both.amax(0)


IMPLEMENTATION = Implementation(call=call)
'''
MAXIMUM = '''"""torch.maximum with zeros."""
import torch
from gradgauge.model import Implementation

IMPLEMENTATION = Implementation(call=lambda x: torch.maximum(x, torch.zeros_like(x)), convention={"x = 0": 0.5})
'''


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Run:
    cwd = tmp_path_factory.mktemp("outside")
    write_function(cwd / "mine", "min_max", function=FUNCTION, reference=REFERENCE, stacked=STACKED)
    (cwd / "mine" / "relu").mkdir()
    (cwd / "mine" / "relu" / "maximum.py").write_text(MAXIMUM, encoding="utf-8")
    return bench(cwd, "--preset=quick", "--implementations", "mine", "--only-mine", "--mode=eager")


def test_functions_and_techniques_from_outside_are_measured_with_no_other_edit(outside: Run) -> None:
    assert outside.status == 0, outside.printed
    found = {(line["function"], line["implementation"]) for line in outside.find(metric="time")}
    assert found == {("min_max", "reference"), ("min_max", "stacked"), ("relu", "reference"), ("relu", "maximum")}
    for technique in (("min_max", "stacked"), ("relu", "maximum")):
        lines = [
            line for line in outside.folder.read_records() if (line["function"], line["implementation"]) == technique
        ]
        assert {"time", "speedup", "saved_bytes", "peak_bytes", "value_max_ulp"} <= {line["metric"] for line in lines}


def test_each_output_and_each_input_of_the_new_function_is_judged(outside: Run) -> None:
    stacked = {"function": "min_max", "implementation": "stacked", "dtype": "float32"}
    values = {json.dumps(line["labels"]): line["verdict"] for line in outside.find(metric="value_max_ulp", **stacked)}
    gradients = {
        json.dumps(line["labels"]): line["verdict"] for line in outside.find(metric="gradient_max_ulp", **stacked)
    }
    for kind in ("random", "edges", "nonfinite", "transposed input", "0-d", "interleaved"):
        for output in ("0", "1"):
            assert values[json.dumps({"output": output, "kind": kind})] == "pass"
        for one in ("a", "b"):
            assert gradients[json.dumps({"input": one, "kind": kind})] == "pass"
    for one in ("a", "b"):
        assert gradients[json.dumps({"input": one, "kind": "undefined cotangent"})] == "pass"


def test_who_does_not_broadcast_where_no_shape_asks_for_it_is_not_wrong(outside: Run) -> None:
    lines = outside.find(function="min_max", implementation="stacked", metric="gradient_max_ulp")
    verdicts = {(line["labels"]["kind"], line["verdict"]) for line in lines}
    assert {("broadcast", "unsupported"), ("long sum", "unsupported")} <= verdicts


def test_the_new_techniques_convention_is_measured(outside: Run) -> None:
    slopes = outside.find(implementation="maximum", metric="kink_slope")
    assert slopes
    assert {(line["value"], line["verdict"]) for line in slopes} == {(0.5, "pass")}


def test_the_page_shows_what_came_from_outside(outside: Run) -> None:
    page = outside.folder.report_html.read_text(encoding="utf-8")
    for words in ("min_max", "stacked", "maximum", "The smaller and the larger"):
        assert words in page


# --- what is exact --------------------------------------------------------------------------------------------------


@contextmanager
def load(wanted: bool) -> Iterator[None]:
    """Keep the machine busy for the duration of the `with`, where that is wanted."""
    busy = [sys.executable, "-c", "while True: sum(range(10**5))"]
    children = [subprocess.Popen(busy) for _ in range(wanted * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


CIRCUMSTANCES = {  # threads, PYTHONHASHSEED, whether others are busy, more arguments
    "quiet": ("1", "0", False, ("--fresh-cache",)),
    "under load": ("1", "1", True, ()),
    "two threads": ("2", "2", False, ()),
    "two threads under load": ("2", "3", True, ()),
}


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Return runs of the same cases, data-dependent ones with graph breaks among them, under various circumstances."""
    chosen = ["--suite=memory", "--suite=counters", "--function=ternary_activation", "--shape=64x64"]
    chosen += ["--implementation=masked_function", "--implementation=reference", "--preset=quick", "--limit=none"]
    chosen += ["--mode=eager", "--mode=compiled"]  # quick itself counts what is eager alone
    runs = {}
    for name, (threads, seed, busy, more) in CIRCUMSTANCES.items():
        with load(busy):
            cwd = tmp_path_factory.mktemp("counted")
            runs[name] = bench(cwd, *chosen, f"--threads={threads}", *more, hash_seed=seed)
    return runs


def exact_lines(run: Run) -> list[str]:
    """Return the lines of records.jsonl whose metrics are exact, but for the run's name."""
    exact = {name for name, metric in run.description["metrics"].items() if metric["exact"]}
    lines = run.folder.records_jsonl.read_text(encoding="utf-8").splitlines()
    return [line.replace(run.folder.run_id, "run") for line in lines if json.loads(line)["metric"] in exact]


def test_what_is_counted_is_everything_that_was_asked_for(counted: dict[str, Run]) -> None:
    for run in counted.values():
        assert (run.status, run.description["complete"]) == (0, True), run.printed
        metrics = {json.loads(line)["metric"] for line in exact_lines(run)}
        assert metrics >= {"peak_bytes", "allocations", "allocated_bytes", "saved_bytes", "saved_extra_bytes"}
        assert metrics >= {"kept_bytes", "operators", "graph_breaks", "graph_break", "recompiles", "generated_kernels"}
        assert len(exact_lines(run)) == len(run.folder.read_records())  # these suites read no clock


@pytest.mark.parametrize("circumstance", [name for name in CIRCUMSTANCES if name != "quiet"])
def test_what_is_exact_repeats_byte_for_byte(counted: dict[str, Run], circumstance: str) -> None:
    assert exact_lines(counted[circumstance]) == exact_lines(counted["quiet"])


def test_the_circumstances_were_those(counted: dict[str, Run]) -> None:
    assert [run.description["environment"]["torch"]["threads"] for run in counted.values()] == [1, 1, 2, 2]


# --- profiles -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> Run:
    chosen = ["--function=relu", "--implementation=where", "--preset=quick"]
    return bench(tmp_path_factory.mktemp("profiled"), *chosen, command="profile")


def test_a_profile_is_a_run_of_its_own_kind(profiled: Run) -> None:
    assert profiled.status == 0, profiled.printed
    assert profiled.description["complete"] is True
    records = profiled.folder.read_records()
    assert records
    assert {line["suite"] for line in records} == {"profile"}
    assert {line["metric"].partition("_")[0] for line in records} == {"profiled"}
    assert {line["mode"] for line in records} == set(MODES)
    assert not profiled.folder.benchmark_json.exists()  # nothing was timed


def test_each_case_has_one_trace_and_one_profile(profiled: Run) -> None:
    profiles = profiled.folder.read_profiles()
    assert {(line["implementation"], line["mode"]) for line in profiles} == {("where", mode) for mode in MODES}
    for line in profiles:
        trace = profiled.folder.path / line["trace"]
        assert [*trace.parent.iterdir()] == [trace]
        assert trace.parent.parent == profiled.folder.traces
        assert Trace.read(trace).steps
        assert Profile.from_json(line).spans
    assert len([*profiled.folder.traces.iterdir()]) == len(MODES)


def test_the_terminal_says_where_the_traces_are_and_how_to_open_them(profiled: Run) -> None:
    assert f"traces: {profiled.folder.traces}, for Perfetto and chrome://tracing, too" in profiled.printed
    assert f"tensorboard --logdir {profiled.folder.traces} --host 127.0.0.1" in profiled.printed
    assert "USDT" not in profiled.printed


def test_a_profiles_page_stands_alone_and_calls_nothing_fastest(profiled: Run) -> None:
    page = profiled.folder.report_html.read_text(encoding="utf-8")
    assert "aten::where" in page
    assert "<script src" not in page
    assert "is fastest" not in profiled.printed


def test_bench_leaves_profiling_to_its_own_command(tmp_path: Path) -> None:
    done = python("-m", "gradgauge", "bench", "--suite=profile", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "--suite profile runs by itself: gradgauge profile\n"
    assert not [*tmp_path.iterdir()]


# --- a kill ---------------------------------------------------------------------------------------------------------


def wait_for(found: Callable[[], Any], process: subprocess.Popen[str], limit_s: float = 120.0) -> Any:
    until = time.monotonic() + limit_s
    while time.monotonic() < until and process.poll() is None:
        value = found()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"nothing came; the process ended with {process.poll()}")


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_after_a_kill_the_records_so_far_make_a_report_marked_incomplete(
    tmp_path: Path, how: signal.Signals, status: int
) -> None:
    command = [sys.executable, "-m", "gradgauge", "bench", "--function=relu", "--mode=eager", "--suite=gradients"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    wait_for(lambda: [*tmp_path.glob("results/runs/*/records.jsonl")], process)
    process.send_signal(how)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == status, printed
    (path,) = (tmp_path / "results" / "runs").iterdir()
    folder = RunFolder(path)
    assert folder.read_records()
    assert folder.read_description()["complete"] is False
    if how != signal.SIGKILL:
        assert f"gradgauge report {path.relative_to(tmp_path)}" in printed
    done = python("-m", "gradgauge", "report", str(path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "incomplete" in folder.report_html.read_text(encoding="utf-8")
    time.sleep(0.2)
    records = len(folder.read_records())
    time.sleep(0.5)
    assert len(folder.read_records()) == records, "somebody is still measuring"
