"""Run workers until the job is done: follow the journal, kill what hangs, charge a death to the case in hand."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gradgauge.cases import Case
from gradgauge.job import Job, subject_key, technique_key
from gradgauge.journal import Beat, JournalReader, Pulse
from gradgauge.lifeline import environment_of_child, kill_with_children, memory_taken
from gradgauge.records import Record, Verdict
from gradgauge.runs import RunFolder
from gradgauge.steps import CaseStep, LoadStep, read_step

STARTING = "starting"
"""The phase in which no case is in hand."""

POLL_S = 0.1
LOOK_S = 1.0
"""How often the worker's memory is looked at."""


class Refused(Exception):
    """The worker will not do what was asked; the message names the offending value and the allowed ones."""


class WorkerLost(Exception):
    """A worker died outside of anybody's case; the message says where its output stands."""


@dataclass
class Progress:
    """What the journal has told so far."""

    plan: dict[str, Any] = field(default_factory=dict)
    items: int = 0
    done: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)
    unreached: list[tuple[str, Case]] = field(default_factory=list)
    benchmarks: list[dict[str, Any]] = field(default_factory=list)
    checked: set[str] = field(default_factory=set)
    unchecked: set[str] = field(default_factory=set)
    dropped: dict[str, str] = field(default_factory=dict)
    unloadable: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    spent: dict[str, Counter[str]] = field(default_factory=dict)
    step: str = ""
    lost_s: float = 0.0
    noted: float = field(default_factory=time.monotonic)
    finished: bool = False
    status: int = 0

    @property
    def measured_s(self) -> float:
        """Return the seconds that went into cases, those that killed a worker left out: they cost nobody else."""
        return sum(seconds for suite, seconds in self.seconds.items() if suite != STARTING) - self.lost_s

    def note(self, step_text: str) -> None:
        """Charge the time since the last note to the suite whose step this is."""
        now = time.monotonic()
        step = read_step(step_text)
        suite = step.suite if isinstance(step, CaseStep) else STARTING
        self.seconds[suite] = self.seconds.get(suite, 0.0) + now - self.noted
        self.step, self.noted = step_text, now

    def take(self, event: Mapping[str, Any]) -> None:
        """Take in one event of the journal."""
        kind = event["event"]
        if kind == "refused":
            raise Refused(event["message"])
        if kind == "planned":
            self.plan = self.plan or dict(event)
            self.plan["catalog"] = event["catalog"]
            self.items = len(self.done) + int(event["items"])
        elif kind == "item":
            case = Case.from_json(event["case"])
            self.done.append((event["suite"], event["slug"]))
            if event["outcome"] == "left out":
                self.unreached.append((event["suite"], case))
                self.unchecked.add(technique_key(case))
            else:
                self.checked.add(technique_key(case))
        elif kind == "benchmark":
            self.benchmarks.append(event["entry"])
        elif kind == "spent":
            self.spent.setdefault(event["suite"], Counter()).update(event["seconds"])
        elif kind == "finished":
            self.finished, self.status = True, int(event["status"])


def supervise(
    job: Job, folder: RunFolder, timeout_s: float, fresh_cache: Path | None, watch: Callable[[Progress], None]
) -> Progress:
    """Measure the job in as many workers as it takes, and return what they told.

    watch: called several times a second. Raises Refused, or WorkerLost when a worker dies outside of any case.
    A KeyboardInterrupt kills the worker and passes on.
    """
    progress = Progress()
    reader = JournalReader(folder.journal_jsonl)
    while not progress.finished:
        left = replace(
            job,
            spent_s=progress.measured_s,
            done=tuple(progress.done),
            dropped=dict(progress.dropped),
            unloadable=dict(progress.unloadable),
            checked=tuple(sorted(progress.checked)),
            unchecked=tuple(sorted(progress.unchecked)),
        )
        death = _follow_worker(left, folder, timeout_s, fresh_cache, progress, reader, watch)
        if death:
            _charge(death, Pulse(folder.pulse).read().step, folder, progress)
    return progress


def _follow_worker(
    job: Job,
    folder: RunFolder,
    timeout_s: float,
    fresh_cache: Path | None,
    progress: Progress,
    reader: JournalReader,
    watch: Callable[[Progress], None],
) -> str:
    """Run one worker to its end; return how it died, empty when it finished."""
    job.write(folder.job_json)
    pulse = Pulse(folder.pulse)
    pulse.beat(STARTING)
    watchdog = _Watchdog(timeout_s)
    worker = _start(folder, fresh_cache)
    death = ""
    try:
        while worker.poll() is None and not progress.finished and not death:
            time.sleep(POLL_S)
            _take_news(reader, progress)
            beat = pulse.read()
            progress.note(beat.step)
            death = watchdog.reason_to_kill(worker.pid, beat)
            watch(progress)
    finally:
        kill_with_children(worker)
    _take_news(reader, progress)
    if isinstance(read_step(pulse.read().step), CaseStep):
        progress.lost_s += watchdog.stalled_s  # what was lost while starting was never counted
    return "" if progress.finished else death or _name_death(worker.returncode)


def _take_news(reader: JournalReader, progress: Progress) -> None:
    for event in reader.news():
        progress.take(event)


class _Watchdog:
    """Says when a worker must be killed: its step outlasts the timeout, or it leaves the machine no memory."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._count = 0
        self._since = self._looked = time.monotonic()

    @property
    def stalled_s(self) -> float:
        """Return how long the step in hand has lasted."""
        return time.monotonic() - self._since

    def reason_to_kill(self, pid: int, beat: Beat) -> str:
        """Return what the worker did, empty while it may go on."""
        now = time.monotonic()
        if beat.count != self._count:
            self._count, self._since = beat.count, now
        if now - self._since > self._timeout_s:
            return f"took longer than --timeout {self._timeout_s:g} s and was killed"
        if now - self._looked > LOOK_S:
            self._looked = now
            taken = memory_taken(pid)
            return f"exhausted memory ({taken}) and was killed" if taken else ""
        return ""


def _start(folder: RunFolder, fresh_cache: Path | None) -> subprocess.Popen[bytes]:
    environment = {key: value for key, value in environment_of_child().items() if not key.startswith("PYTEST_")}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    if fresh_cache:
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(fresh_cache)
        environment["GRADGAUGE_FRESH_CACHE"] = "1"
    with folder.worker_log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "gradgauge.worker", str(folder.job_json)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def _name_death(returncode: int) -> str:
    if returncode < 0:
        name = signal.Signals(-returncode).name if -returncode in set(signal.Signals) else f"signal {-returncode}"
        hint = ", which the kernel sends when memory is exhausted" if name == "SIGKILL" else ""
        return f"killed the process ({name}{hint})"
    return f"ended the process with status {returncode}"


def _charge(death: str, step_text: str, folder: RunFolder, progress: Progress) -> None:
    step = read_step(step_text)
    if isinstance(step, LoadStep):
        progress.unloadable[step.file] = f"loading it {death}"
    elif isinstance(step, CaseStep) and subject_key(step.case) not in progress.dropped:
        detail = f"{death} while {step.doing}"
        folder.append_record(_crash_record(step.suite, step.case, detail, progress))
        progress.done.append((step.suite, step.case.slug))
        progress.dropped[subject_key(step.case)] = detail
        what = f"everything else of {step.case.function} · {step.case.implementation} on {step.case.device}"
        progress.left_out.append({"what": what, "reason": f"{step.suite} {step.case.slug} {detail}"})
    else:
        raise WorkerLost(
            f"the worker's own code {death} while {step_text or STARTING}; its output: {folder.worker_log}"
        )


def _crash_record(suite: str, case: Case, detail: str, progress: Progress) -> Record:
    metric, unit = progress.plan["first_metrics"][suite]
    return Record(suite, case, metric, None, unit, Verdict.CRASHED, f"{case.implementation} · {case.mode} {detail}")
