"""The gate measures itself: sessions on identical code and with planted slowdowns, beside pytest-benchmark's."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from gradgauge.cases import Case
from gradgauge.gate import peer
from gradgauge.gate.changes import Change, compare_files
from gradgauge.gate.findings import Outcome, Settings
from gradgauge.gate.intervals import share_interval
from gradgauge.gate.pair_job import PairJob
from gradgauge.gate.processes import Processes
from gradgauge.gate.request import GateRequest
from gradgauge.gate.sequence import Decision, decide, settings_for

PLANTED = (0.03, 0.05, 0.10, 0.20)
CASES = 12
CALIBRATION_JSONL = "calibration.jsonl"


@dataclass(frozen=True)
class Judged:
    """What one session said of one case. planted: the slowdown that was in it; rounds_s: of rounds it took."""

    case: str
    planted: float
    outcome: str
    ratio: float | None
    detectable: float | None
    rounds_s: float


@dataclass(frozen=True)
class SessionResult:
    """One session. total_s: with processes, imports and compilation; peer_alarms: of pytest-benchmark, on this code."""

    judged: tuple[Judged, ...]
    rounds_s: float
    starting_s: float
    total_s: float
    peer_alarms: int | None = None

    @property
    def is_planted(self) -> bool:
        """Whether slowdowns were planted in it."""
        return any(each.planted for each in self.judged)


@dataclass(frozen=True)
class Calibration:
    """All sessions, and how they decided."""

    settings: Settings
    sessions: tuple[SessionResult, ...]

    @property
    def identical(self) -> list[SessionResult]:
        """Return the sessions on identical code."""
        return [session for session in self.sessions if not session.is_planted]

    def judged(self, planted: float) -> list[Judged]:
        """Return what was said of the cases with that slowdown, those of sessions on identical code for 0."""
        return [each for session in self.sessions for each in session.judged if each.planted == planted]


def calibrate(
    request: GateRequest,
    sessions: int,
    file: Path,
    watch: Callable[[str], None],
    now: Callable[[], float] = time.monotonic,
) -> Calibration:
    """Run so many sessions on identical code and as many with planted slowdowns, taking turns; return them all.

    Each session on identical code is followed by one of pytest-benchmark, whose medians are compared with those of the
    session before. file: gets a line a session as it ends, so that what was measured stays when time runs out.
    """
    settings = settings_for(request.budget_s, request.limits.tolerance, request.limits.floor_s)
    found: list[SessionResult] = []
    with _identical(request) as job:
        cases = _spread(Processes(job, request.timeout_s).plan().cases)
        before = peer.medians(job, cases)
        for number in range(sessions):
            for plants in ({}, _plants(cases, number)):
                watch(f"session {number + 1} of {sessions}, {'planted slowdowns' if plants else 'identical code'}")
                result = _session(request, replace(job, plants=plants), cases, settings, now)
                if not plants:
                    after = peer.medians(job, cases)
                    result = replace(result, peer_alarms=peer.alarms(before, after))
                    before = after
                found.append(result)
                with file.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(asdict(result)) + "\n")
    return Calibration(settings, tuple(found))


def read_calibration(files: Sequence[Path], settings: Settings) -> Calibration:
    """Return the sessions that files of earlier calibrations hold."""
    lines = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return Calibration(settings, tuple(_read_session(line) for line in lines))


def _read_session(line: dict[str, Any]) -> SessionResult:
    return SessionResult(**(line | {"judged": tuple(Judged(**each) for each in line["judged"])}))


@contextmanager
def _identical(request: GateRequest) -> Iterator[PairJob]:
    """Yield a job whose two sides are the same files, in two folders."""
    with tempfile.TemporaryDirectory(prefix="gradgauge-copy-") as scratch:
        copies = []
        for index, folder in enumerate(request.gated):
            ignored = shutil.ignore_patterns("__pycache__")
            copies.append(Path(shutil.copytree(folder, Path(scratch) / str(index), ignore=ignored)))
        wanted = [each for each in compare_files((), request.gated).of(Change.NEW) if request.wants(each)]
        yield PairJob(
            request.roots(tuple(copies)),
            request.roots(request.gated),
            tuple((function, name, name) for function, name in wanted),
            request.preset,
            request.selection,
            request.seed,
            request.threads,
            settings_for(request.budget_s).slice_s,
            {},
        )


def _spread(cases: Sequence[Case]) -> list[Case]:
    """Return CASES of the cases, evenly spread over the plan; all where there are fewer."""
    count = min(CASES, len(cases))
    return [cases[index * len(cases) // count] for index in range(count)]


def _plants(cases: Sequence[Case], session: int) -> dict[str, float]:
    """Return a slowdown for each case, another one in each session, so that each case comes to have each."""
    return {case.slug: PLANTED[(index + session) % len(PLANTED)] for index, case in enumerate(cases)}


def _session(
    request: GateRequest, job: PairJob, cases: Sequence[Case], settings: Settings, now: Callable[[], float]
) -> SessionResult:
    began = now()
    processes = Processes(job, request.timeout_s)
    decided = decide(cases, processes.pairs, settings, request.limits.of)
    judged = tuple(_judged(case, job.plants.get(case.slug, 0.0), found, settings) for case, found in decided.items())
    return SessionResult(judged, processes.spent.rounds_s, processes.spent.starting_s, now() - began)


def _judged(case: Case, planted: float, found: Decision, settings: Settings) -> Judged:
    ratio = found.ratio
    rounds_s = ratio.processes * settings.slice_s if ratio else 0.0
    value, detectable = (ratio.value, ratio.smallest_detectable) if ratio else (None, None)
    return Judged(case.slug, planted, str(found.outcome), value, detectable, rounds_s)


def calibration_lines(calibration: Calibration) -> list[str]:
    """Return the calibration as a table in Markdown, each share with how many of how many, and its 95 % interval."""
    identical = calibration.identical
    lines = ["| what | share | of | 95 % interval |", "|---|---|---|---|"]
    if identical:
        said = [any(each.outcome == Outcome.REGRESSION for each in session.judged) for session in identical]
        cases = calibration.judged(0.0)
        lines += [
            _row("identical code: sessions with a false regression", sum(said), len(said)),
            _row("identical code: cases called a regression", _count(cases, Outcome.REGRESSION), len(cases)),
            _row("identical code: cases called an improvement", _count(cases, Outcome.IMPROVEMENT), len(cases)),
            _row("identical code: cases it could not tell", _count(cases, Outcome.CANNOT_TELL), len(cases)),
        ]
        peers = [session.peer_alarms for session in identical if session.peer_alarms is not None]
        if peers:
            lines.append(_row(f"pytest-benchmark, {peer.RULE}: sessions that fail", sum(map(bool, peers)), len(peers)))
            of = sum(len(session.judged) for session in identical if session.peer_alarms is not None)
            lines.append(_row(f"pytest-benchmark, {peer.RULE}: cases called slower", sum(peers), of))
    for share in PLANTED:
        cases = calibration.judged(share)
        if cases:
            flagged = _count(cases, Outcome.REGRESSION)
            missed = _count(cases, Outcome.NO_REGRESSION) + _count(cases, Outcome.IMPROVEMENT)
            lines.append(_row(f"planted {share:.0%}: flagged", flagged, len(cases)))
            lines.append(_row(f"planted {share:.0%}: called no regression", missed, len(cases)))
            quick = sum(each.outcome == Outcome.REGRESSION and each.rounds_s <= 3.0 + 1e-9 for each in cases)
            lines.append(_row(f"planted {share:.0%}: flagged within 3 s of rounds", quick, len(cases)))
    return [*lines, "", *_figures(calibration)]


def _row(what: str, count: int, of: int) -> str:
    low, high = share_interval(count, of)
    return f"| {what} | {count / of:.1%} | {count} of {of} | {low:.1%} … {high:.1%} |"


def _count(judged: Sequence[Judged], outcome: Outcome) -> int:
    return sum(each.outcome == outcome for each in judged)


def _figures(calibration: Calibration) -> list[str]:
    settings = calibration.settings
    looks = ", ".join(map(str, settings.looks))
    said = f"Tolerance {settings.tolerance:.0%}, at most {settings.budget_s:g} s of rounds a case"
    lines = [f"{said}, looks after {looks} processes of {settings.slice_s:g} s a case."]
    planted = [session for session in calibration.sessions if session.is_planted]
    for name, sessions in {"identical code": calibration.identical, "planted slowdowns": planted}.items():
        if sessions:
            total_s, rounds_s, starting_s = (
                median(getattr(each, key) for each in sessions) for key in ("total_s", "rounds_s", "starting_s")
            )
            judged = [case for session in sessions for case in session.judged]
            found = [case.detectable for case in judged if case.detectable is not None]
            smallest = f"; smallest slowdown that would have been flagged: {median(found):.1%}" if found else ""
            lines.append(
                f"{name} (medians): a session takes {total_s:.0f} s, of them {rounds_s:.0f} s of rounds "
                f"({median(case.rounds_s for case in judged):.1f} s a case) and {starting_s:.0f} s of warm-up and "
                f"compilation; the rest starts processes and imports{smallest}."
            )
    return lines
