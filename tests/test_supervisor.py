from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gradgauge import supervisor
from gradgauge.cases import Case
from gradgauge.job import Job, technique_key
from gradgauge.journal import Journal, Pulse
from gradgauge.lifeline import kill_with_children
from gradgauge.runs import RunFolder
from gradgauge.steps import CaseStep, LoadStep
from gradgauge.supervisor import POLL_S, Progress, Refused, WorkerLost, supervise
from tests.fakes import a_case, a_job, is_gone_soon, read_json

WHERE, NATIVE = a_case(implementation="where"), a_case(implementation="native")
Act = Callable[["World"], int | None]


class World:
    """Workers that are scripts of actions, one at each look that the supervisor takes; time passes with each sleep."""

    def __init__(self, folder: RunFolder, journal: Journal) -> None:
        self.folder, self.journal = folder, journal
        self.now_s = self.began_s = time.monotonic()  # Progress reads the real clock when it is made
        self.jobs: list[Job] = []
        self.killed = 0
        self.seen: list[str] = []

    def say(self, event: str, **fields: Any) -> None:
        self.journal.write(event, **fields)

    def plan(self, items: int) -> None:
        self.say(
            "planned", items=items, catalog={}, first_metrics={"speed": ["time", "s"], "memory": ["peak_bytes", "byte"]}
        )

    def beat(self, step: object) -> None:
        Pulse(self.folder.pulse).beat(str(step))

    def done(self, case: Case, outcome: str = "done") -> None:
        self.say("item", suite="speed", case=case.to_json(), slug=case.slug, outcome=outcome)


class Worker:
    pid = os.getpid()

    def __init__(self, world: World, acts: Sequence[Act]) -> None:
        self._world, self._acts, self.returncode = world, list(acts), 0

    def poll(self) -> int | None:
        act = self._acts.pop(0) if self._acts else hang
        code = act(self._world)
        self.returncode = code if code is not None else -signal.SIGKILL
        return code


def hang(_: World) -> None:
    return None


def finish(world: World) -> None:
    world.say("finished", status=0)


def dies(code: int) -> Act:
    return lambda _: code


def planned(items: int) -> Act:
    return lambda world: world.plan(items)


def at(step: object) -> Act:
    return lambda world: world.beat(step)


def did(case: Case, outcome: str = "done") -> Act:
    return lambda world: world.done(case, outcome)


def step(case: Case, doing: str = "warming up") -> Act:
    return at(CaseStep("speed", case, doing))


@pytest.fixture
def world(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(folder, Journal(folder.journal_jsonl))

    def sleep(seconds: float) -> None:
        world.now_s += seconds

    monkeypatch.setattr(supervisor, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: world.now_s))
    return world


def run(world: World, monkeypatch: pytest.MonkeyPatch, *workers: Sequence[Act], timeout_s: float = 10.0) -> Progress:
    left = [Worker(world, acts) for acts in workers]

    def start(folder: RunFolder, fresh_cache: Path | None) -> Worker:
        world.jobs.append(Job.read(folder.job_json))
        return left.pop(0)

    def kill(worker: Worker) -> None:
        world.killed += 1

    monkeypatch.setattr(supervisor, "_start", start)
    monkeypatch.setattr(supervisor, "kill_with_children", kill)
    progress = supervise(
        a_job(world.folder), world.folder, timeout_s, None, lambda progress: world.seen.append(progress.step)
    )
    assert not left, "a worker was not started"
    return progress


def test_a_worker_that_finishes_is_one_worker(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = run(world, monkeypatch, [planned(1), step(WHERE), did(WHERE), finish])
    assert (progress.finished, progress.status, progress.items) == (True, 0, 1)
    assert progress.done == [("speed", WHERE.slug)]
    assert world.folder.read_records() == []
    assert world.killed == 1  # whatever it left behind ends with it


def test_a_finished_worker_that_hangs_on_its_way_out_costs_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = run(world, monkeypatch, [planned(1), step(WHERE), did(WHERE), finish, hang, hang], timeout_s=1.0)
    assert progress.finished
    assert world.folder.read_records() == []


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (-signal.SIGABRT, "killed the process (SIGABRT)"),
        (-signal.SIGSEGV, "killed the process (SIGSEGV)"),
        (-signal.SIGKILL, "killed the process (SIGKILL, which the kernel sends when memory is exhausted)"),
        (-200, "killed the process (signal 200)"),
        (3, "ended the process with status 3"),
        (0, "ended the process with status 0"),
    ],
)
def test_a_death_is_charged_to_the_case_in_hand_and_the_rest_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, code: int, says: str
) -> None:
    first = [planned(2), step(WHERE), dies(code)]
    progress = run(world, monkeypatch, first, [planned(1), step(NATIVE), did(NATIVE), finish])
    (record,) = world.folder.read_records()
    assert (record["verdict"], record["metric"], record["unit"], record["value"]) == ("crashed", "time", "s", None)
    assert record["detail"] == f"where · eager {says} while warming up"
    assert Case.from_json(record) == WHERE
    assert progress.done == [("speed", WHERE.slug), ("speed", NATIVE.slug)]
    assert progress.items == 2
    (left_out,) = progress.left_out
    assert left_out["what"] == "everything else of relu · where on cpu"
    assert says in left_out["reason"]


def test_the_next_worker_is_told_what_is_done_and_what_must_not_run_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(world, monkeypatch, [planned(3), did(NATIVE), step(WHERE), dies(-6)], [planned(1), finish])
    assert world.jobs[0].done == ()
    assert world.jobs[0].dropped == {}
    assert world.jobs[1].done == (("speed", NATIVE.slug), ("speed", WHERE.slug))
    assert world.jobs[1].dropped == {"relu/where/cpu": "killed the process (SIGABRT) while warming up"}


def test_a_step_that_takes_longer_than_the_timeout_is_killed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run(world, monkeypatch, [planned(2), step(WHERE, "timed round")], [planned(1), finish], timeout_s=10.0)
    (record,) = world.folder.read_records()
    assert record["detail"] == "where · eager took longer than --timeout 10 s and was killed while timed round"
    assert 10.0 < world.now_s - world.began_s < 11.0


def test_each_new_step_has_the_whole_timeout_to_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    nearly = [hang] * int(9.0 / POLL_S)
    first = [planned(1)]
    for _ in range(4):
        first += [step(WHERE), *nearly]
    progress = run(world, monkeypatch, [*first, did(WHERE), finish], timeout_s=10.0)
    assert progress.finished
    assert world.now_s - world.began_s > 30
    assert world.folder.read_records() == []


def test_seconds_are_counted_by_suite(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = [planned(1), step(WHERE), *[hang] * 19, finish]
    progress = run(world, monkeypatch, first)
    assert set(progress.seconds) == {"starting", "speed"}
    assert progress.seconds["speed"] == pytest.approx(20 * POLL_S, abs=1.5 * POLL_S)


def test_the_next_worker_is_told_what_was_spent_and_pays_nothing_for_what_hung(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [planned(2), step(NATIVE), *[hang] * 40, did(NATIVE), step(WHERE)]
    run(world, monkeypatch, first, [planned(1), finish], timeout_s=10.0)
    assert world.jobs[0].spent_s == 0.0
    assert world.jobs[1].spent_s == pytest.approx(42 * POLL_S, abs=2.5 * POLL_S)


def test_a_worker_that_leaves_no_memory_is_killed_and_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[float] = []

    def memory_taken(pid: int) -> str:
        looked.append(world.now_s)
        return "7.0 GiB of 8.0" if len(looked) == 3 else ""

    monkeypatch.setattr(supervisor, "memory_taken", memory_taken)
    run(world, monkeypatch, [planned(2), step(WHERE)], [planned(1), finish], timeout_s=100.0)
    (record,) = world.folder.read_records()
    assert "exhausted memory (7.0 GiB of 8.0) and was killed while warming up" in record["detail"]
    assert record["verdict"] == "crashed"
    assert world.now_s - world.began_s == pytest.approx(3 * supervisor.LOOK_S, abs=1.0)


def test_a_file_whose_loading_kills_is_broken_and_the_rest_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = run(world, monkeypatch, [at(LoadStep("/mine/x.py")), dies(-6)], [planned(1), did(NATIVE), finish])
    assert world.jobs[1].unloadable == {"/mine/x.py": "loading it killed the process (SIGABRT)"}
    assert progress.finished
    assert world.folder.read_records() == []


def test_a_file_whose_loading_hangs_is_broken_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run(world, monkeypatch, [at(LoadStep("/mine/x.py"))], [planned(1), finish], timeout_s=2.0)
    assert world.jobs[1].unloadable == {"/mine/x.py": "loading it took longer than --timeout 2 s and was killed"}


def test_what_loading_lost_is_no_gift_to_the_measuring(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run(world, monkeypatch, [at(LoadStep("/mine/x.py"))], [planned(1), finish], timeout_s=2.0)
    assert world.jobs[1].spent_s == 0.0


def test_a_new_worker_knows_what_time_sufficed_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(WHERE, mode="compiled")
    first = [planned(3), did(NATIVE), did(other, "left out"), step(WHERE), dies(-6)]
    run(world, monkeypatch, first, [planned(0), finish])
    assert world.jobs[1].checked == (technique_key(NATIVE),)
    assert world.jobs[1].unchecked == (technique_key(other),)


def test_a_death_outside_any_case_ends_the_run_naming_the_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WorkerLost) as caught:
        run(world, monkeypatch, [at("importing torch"), dies(1)])
    assert "ended the process with status 1 while importing torch" in str(caught.value)
    assert str(world.folder.worker_log) in str(caught.value)


def test_a_second_death_at_what_was_dropped_already_ends_the_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WorkerLost):
        run(world, monkeypatch, [planned(1), step(WHERE), dies(-6)], [planned(1), step(WHERE), dies(-6)])


def test_what_a_worker_refuses_is_raised_in_its_words(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match="--device 'x' is not on this machine"):
        run(world, monkeypatch, [lambda w: w.say("refused", message="--device 'x' is not on this machine")])
    assert world.killed == 1


def test_ctrl_c_kills_the_worker_and_passes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: World) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(world, monkeypatch, [planned(1), interrupt])
    assert world.killed == 1


def test_the_last_words_of_a_worker_that_ended_are_heard(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def finish_and_leave(world: World) -> int:
        world.done(WHERE)
        finish(world)
        return 0

    progress = run(world, monkeypatch, [planned(1), finish_and_leave])
    assert progress.done == [("speed", WHERE.slug)]
    assert progress.finished


def test_what_time_did_not_suffice_for_is_done_and_unreached(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = run(world, monkeypatch, [planned(2), did(WHERE, "left out"), did(NATIVE), finish])
    assert progress.unreached == [("speed", WHERE)]
    assert len(progress.done) == 2


def test_the_watcher_sees_the_case_in_hand(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run(world, monkeypatch, [planned(1), step(WHERE), hang, finish])
    assert world.seen[0] == "starting"
    assert set(world.seen[1:]) == {str(CaseStep("speed", WHERE, "warming up"))}


def test_the_first_plan_stands_and_a_later_catalog_replaces_the_first() -> None:
    progress = Progress()
    progress.take({"event": "planned", "items": 3, "catalog": {"broken": []}, "planned": ["all"]})
    progress.take({"event": "item", "suite": "speed", "case": WHERE.to_json(), "slug": "x", "outcome": "done"})
    progress.take({"event": "planned", "items": 1, "catalog": {"broken": ["x"]}, "planned": ["rest"]})
    progress.take({"event": "benchmark", "entry": {"name": "x"}})
    progress.take({"event": "loading"})
    assert progress.plan["planned"] == ["all"]
    assert progress.plan["catalog"] == {"broken": ["x"]}
    assert progress.items == 2
    assert progress.benchmarks == [{"name": "x"}]


# --- real processes -------------------------------------------------------------------------------------------------


def test_a_worker_starts_apart_from_the_callers_pytest_and_writes_to_its_log(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def popen(command: list[str], **rest: Any) -> None:
        given.update(rest, command=command)

    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    monkeypatch.setattr(subprocess, "Popen", popen)
    supervisor._start(folder, folder.path / "cache")
    environment = given["env"]
    assert [key for key in environment if key.startswith("PYTEST_")] == ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
    assert environment["TORCHINDUCTOR_CACHE_DIR"] == str(folder.path / "cache")
    assert given["command"] == [sys.executable, "-m", "gradgauge.worker", str(folder.job_json)]
    assert given["start_new_session"]
    assert given["stdin"] == subprocess.DEVNULL
    assert folder.worker_log.exists()
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    supervisor._start(folder, None)
    assert "TORCHINDUCTOR_CACHE_DIR" not in given["env"]


@pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX")
def test_killing_a_worker_takes_along_what_it_started() -> None:
    script = "import subprocess, sys; p = subprocess.Popen(['sleep', '1000']); print(p.pid, flush=True); p.wait()"
    worker = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    assert worker.stdout is not None
    child = int(worker.stdout.readline())
    kill_with_children(worker)
    worker.stdout.close()
    assert worker.returncode == -signal.SIGKILL
    assert is_gone_soon(child)  # init reaps it in its own time
    kill_with_children(worker)  # a second time does no harm


def test_the_job_of_a_worker_is_json(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run(world, monkeypatch, [planned(0), finish])
    assert read_json(world.folder.job_json)["preset"] == "quick"
