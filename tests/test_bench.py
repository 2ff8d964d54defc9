from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradgauge import bench
from gradgauge.bench import Interrupted, Outcome, Request, run_bench
from gradgauge.grid import Selection
from gradgauge.job import Job
from gradgauge.records import Record, Verdict
from gradgauge.runs import RunFolder
from gradgauge.supervisor import Progress, Refused, WorkerLost
from gradgauge.timing import Timing
from tests.fakes import CASE, a_case, read_json

PLANNED = {
    "event": "planned",
    "items": 1,
    "catalog": {"functions": {}, "broken": []},
    "metrics": {"time": {"unit": "s"}},
    "suites": {"speed": "How fast?"},
    "environment": {"python": "3"},
    "planned": [{"suite": "speed", **CASE.to_json()}],
    "left_out": [{"what": "much", "reason": "preset quick"}],
}
ENTRY = {"name": "x", "stats": {"median": 1.0}}
Script = Callable[[Job, RunFolder, Progress], None]


def request_for(tmp_path: Path, **fields: Any) -> Request:
    given: dict[str, Any] = {
        "preset": "quick",
        "limit_s": 55.0,
        "selection": Selection(functions=("relu",)),
        "implementations": (),
        "only_mine": False,
        "results": tmp_path / "results",
        "seed": 3,
        "threads": None,
        "timing": Timing(),
        "timeout_s": 5.0,
        "fresh_cache": False,
    }
    return Request(**(given | fields))


def measured(verdict: Verdict = Verdict.MEASURED, **fields: Any) -> Record:
    given: dict[str, Any] = {"suite": "speed", "case": CASE, "metric": "time", "value": 1.0, "unit": "s"}
    return Record(**(given | {"verdict": verdict} | fields))


def filing(*records: Record) -> Script:
    def script(job: Job, folder: RunFolder, progress: Progress) -> None:
        for record in records:
            folder.append_record(record)

    return script


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], dict[str, Any]]:
    def install(script: Script) -> dict[str, Any]:
        given: dict[str, Any] = {}

        def supervise(job: Job, folder: RunFolder, timeout_s: float, cache: Path | None, watch: Any) -> Progress:
            given.update(job=job, folder=folder, timeout_s=timeout_s, cache=cache)
            progress = Progress()
            progress.take(PLANNED)
            watch(progress)
            given["midway"] = folder.read_description()
            script(job, folder, progress)
            progress.finished = True
            return progress

        monkeypatch.setattr(bench, "supervise", supervise)
        return given

    return install


def run(tmp_path: Path, **fields: Any) -> Outcome:
    return run_bench(request_for(tmp_path, **fields), lambda progress: None)


Scripted = Callable[[Script], dict[str, Any]]


def test_a_run_without_failures_is_complete_and_fine(tmp_path: Path, scripted: Scripted) -> None:
    def script(job: Job, folder: RunFolder, progress: Progress) -> None:
        folder.append_record(measured())
        progress.take({"event": "benchmark", "entry": ENTRY})
        progress.seconds["speed"] = 1.23456

    given = scripted(script)
    outcome = run(tmp_path)
    assert (outcome.status, outcome.problems) == (0, ())
    described = outcome.folder.read_description()
    assert described["complete"] is True
    assert described["end"] >= described["start"]
    assert (described["preset"], described["seed"], described["run_id"]) == ("quick", 3, outcome.folder.run_id)
    assert described["selection"]["functions"] == ["relu"]
    assert described["planned"] == PLANNED["planned"]
    assert described["left_out"] == PLANNED["left_out"]
    assert described["phases_s"] == {"speed": 1.235}
    assert described["limit_s"] == 55.0
    assert described["command"] == ["gradgauge", *sys.argv[1:]]
    assert read_json(outcome.folder.benchmark_json)["benchmarks"] == [ENTRY]
    assert (tmp_path / "results" / "runs" / "latest").resolve() == outcome.folder.path.resolve()
    assert given["midway"]["complete"] is False
    assert given["midway"]["metrics"] == PLANNED["metrics"]


def test_the_worker_gets_the_request_as_a_job(
    tmp_path: Path, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = scripted(lambda *_: None)
    monkeypatch.chdir(tmp_path)
    run(tmp_path, implementations=(Path("mine"),), only_mine=True, threads=1)
    job = given["job"]
    assert job.implementations == (str(tmp_path / "mine"),)
    assert (job.only_mine, job.threads, job.seed, job.limit_s) == (True, 1, 3, 55.0)
    assert (given["timeout_s"], given["cache"]) == (5.0, None)
    assert Path(job.run) == given["folder"].path.resolve()


def test_a_fresh_cache_is_an_empty_folder_that_goes_with_the_run(tmp_path: Path, scripted: Scripted) -> None:
    found: list[list[Path]] = []
    given = scripted(lambda *_: found.append(list(given["cache"].iterdir())))
    run(tmp_path, fresh_cache=True)
    assert found == [[]]
    assert not given["cache"].exists()


def test_scratch_files_are_gone_when_a_run_ends(tmp_path: Path, scripted: Scripted) -> None:
    def script(job: Job, folder: RunFolder, progress: Progress) -> None:
        for file in (folder.job_json, folder.pulse, folder.path / "pytest.ini"):
            file.touch()

    scripted(script)
    names = {file.name for file in run(tmp_path).folder.path.iterdir()}
    assert names == {"run.json"}


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.CRASHED])
def test_each_failure_makes_status_1_and_names_the_case(tmp_path: Path, scripted: Scripted, verdict: Verdict) -> None:
    failure = measured(verdict, value=None, detail="it broke", labels={"input": "a"})
    scripted(filing(measured(), failure))
    outcome = run(tmp_path)
    assert outcome.status == 1
    case = "relu · reference · eager · forward · cpu · float32 · 8x8 · contiguous"
    assert outcome.problems == (f"{verdict}: {case}: time [input a]: it broke",)
    assert outcome.folder.read_description()["complete"] is True


def test_a_technique_that_fails_often_is_one_problem_and_hides_no_other(tmp_path: Path, scripted: Scripted) -> None:
    often = [measured(Verdict.FAIL, detail=f"place {index}", labels={"kind": f"k{index}"}) for index in range(30)]
    other = measured(Verdict.FAIL, case=replace(CASE, implementation="where"), detail="it broke")
    scripted(filing(*often, other))
    first, second = run(tmp_path).problems
    assert first.endswith("time [kind k0]: place 0 (and 29 more)")
    assert second.endswith("time: it broke")


@pytest.mark.parametrize("verdict", [Verdict.EXPECTED_FAIL, Verdict.NOISY, Verdict.PASS, Verdict.UNSUPPORTED])
def test_what_is_no_failure_makes_no_problem(tmp_path: Path, scripted: Scripted, verdict: Verdict) -> None:
    scripted(filing(measured(), measured(verdict)))
    assert run(tmp_path).status == 0


@pytest.mark.parametrize("verdicts", [(), (Verdict.UNAVAILABLE,), (Verdict.NOT_APPLICABLE, Verdict.UNSUPPORTED)])
def test_nothing_measured_is_never_green(tmp_path: Path, scripted: Scripted, verdicts: tuple[Verdict, ...]) -> None:
    scripted(filing(*(measured(verdict, value=None, case=a_case(pass_="")) for verdict in verdicts)))
    outcome = run(tmp_path)
    assert (outcome.status, outcome.problems) == (1, ("nothing was measured",))
    assert not outcome.folder.benchmark_json.exists()


def test_a_broken_file_is_a_problem_with_file_line_and_message(tmp_path: Path, scripted: Scripted) -> None:
    def script(job: Job, folder: RunFolder, progress: Progress) -> None:
        folder.append_record(measured())
        broken = [{"file": "/m/x.py", "line": 3, "message": "why"}, {"file": "/m/y.py", "line": None, "message": "so"}]
        progress.plan["catalog"] = {"functions": {}, "broken": broken}

    scripted(script)
    outcome = run(tmp_path)
    assert (outcome.status, outcome.problems) == (1, ("broken: /m/x.py:3: why", "broken: /m/y.py: so"))


@pytest.mark.parametrize(("status", "fine"), [(0, True), (1, True), (5, True), (2, False), (3, False)])
def test_suites_that_did_not_run_to_their_end_are_a_problem(
    tmp_path: Path, scripted: Scripted, status: int, fine: bool
) -> None:
    def script(job: Job, folder: RunFolder, progress: Progress) -> None:
        folder.append_record(measured())
        progress.status = status

    scripted(script)
    outcome = run(tmp_path)
    assert (outcome.status == 0) is fine
    assert any("did not run to their end" in problem for problem in outcome.problems) is not fine


def test_what_crashed_and_what_time_did_not_suffice_for_is_listed(tmp_path: Path, scripted: Scripted) -> None:
    def script(job: Job, folder: RunFolder, progress: Progress) -> None:
        progress.left_out.append({"what": "everything else", "reason": "crash"})
        progress.unreached += [("speed", CASE), ("speed", a_case(pass_="backward")), ("memory", CASE)]

    scripted(script)
    left_out = run(tmp_path).folder.read_description()["left_out"]
    reason = "the preset's time was used up"
    assert left_out == [
        {"what": "everything else", "reason": "crash"},
        {"what": "speed · relu · eager · float32 · 8x8: 2 cases", "reason": reason},
        {"what": "memory · relu · eager · float32 · 8x8: 1 cases", "reason": reason},
        *PLANNED["left_out"],  # type: ignore[misc]
    ]


def test_ctrl_c_closes_the_run_as_incomplete_with_what_was_measured(tmp_path: Path, scripted: Scripted) -> None:
    def script(job: Job, folder: RunFolder, progress: Progress) -> None:
        folder.append_record(measured())
        progress.take({"event": "benchmark", "entry": ENTRY})
        raise KeyboardInterrupt

    scripted(script)
    with pytest.raises(Interrupted) as caught:
        run(tmp_path)
    folder = caught.value.folder
    described = folder.read_description()
    assert described["complete"] is False
    assert described["end"] is not None
    assert described["metrics"] == PLANNED["metrics"]
    assert len(folder.read_records()) == 1
    assert read_json(folder.benchmark_json)["benchmarks"] == [ENTRY]
    assert not (tmp_path / "results" / "runs" / "latest").exists()


def test_a_lost_worker_closes_the_run_as_incomplete(tmp_path: Path, scripted: Scripted) -> None:
    def script(job: Job, folder: RunFolder, progress: Progress) -> None:
        raise WorkerLost("gone")

    given = scripted(script)
    with pytest.raises(WorkerLost, match="gone"):
        run(tmp_path)
    assert given["folder"].read_description()["complete"] is False


def test_what_is_refused_leaves_no_run_behind(tmp_path: Path, scripted: Scripted) -> None:
    def script(job: Job, folder: RunFolder, progress: Progress) -> None:
        raise Refused("--device 'x'")

    scripted(script)
    with pytest.raises(Refused):
        run(tmp_path)
    assert list((tmp_path / "results" / "runs").iterdir()) == []
