"""`gradgauge bench`: from a request to a run folder with its report."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gradgauge.benchmark_json import write_benchmark_json
from gradgauge.grid import Selection
from gradgauge.job import Job
from gradgauge.records import Verdict
from gradgauge.runs import RunFolder
from gradgauge.supervisor import Progress, Refused, supervise
from gradgauge.timing import Timing

RAN_TO_ITS_END = (0, 1, 5)
"""pytest's statuses for all passed, some failed, none collected; any other means that it broke off."""


@dataclass(frozen=True)
class Request:
    """What the user asked for, checked.

    timing: how cases are timed.
    limit_s: after how many seconds of measuring no further case is begun, None for never.
    timeout_s: the longest that one step of one case may take.
    builtin: a folder in place of the built-in implementations, None for those themselves.
    clockless: leave out the suites that read a clock or have nothing exact to say.
    """

    preset: str
    limit_s: float | None
    selection: Selection
    implementations: tuple[Path, ...]
    only_mine: bool
    results: Path
    seed: int
    threads: int | None
    timing: Timing
    timeout_s: float
    fresh_cache: bool
    builtin: Path | None = None
    clockless: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a run ended. status: gradgauge's exit status; problems: one line for each thing that makes it 1.

    complete: the suites ran to their end.
    """

    folder: RunFolder
    status: int
    problems: tuple[str, ...]
    complete: bool = True


class Interrupted(Exception):
    """Ctrl-C or a kill while measuring; folder: what was measured until then, closed as incomplete."""

    def __init__(self, folder: RunFolder) -> None:
        super().__init__(str(folder.path))
        self.folder = folder


def run_bench(request: Request, watch: Callable[[Progress], None]) -> Outcome:
    """Measure what was asked for and leave a run folder, the latest one; the report is not written yet.

    watch: told the progress several times a second. Raises Interrupted on Ctrl-C, with the run closed as incomplete.
    """
    outcome = measure_into(RunFolder.create(request.results), request, watch)
    if outcome.complete:
        outcome.folder.link_as_latest()
    return outcome


def measure_into(folder: RunFolder, request: Request, watch: Callable[[Progress], None]) -> Outcome:
    """Measure what was asked for into a folder that is there and empty; else as `run_bench`."""
    description = _describe_request(request, folder)
    folder.write_description(description)
    progress = Progress()

    def follow(latest: Progress) -> None:
        nonlocal progress
        if latest.plan and not progress.plan:
            folder.write_description(description | _describe_plan(latest))
        progress = latest
        watch(latest)

    try:
        with _cache_folder(request) as cache:
            progress = supervise(_job(request, folder), folder, request.timeout_s, cache, follow)
    except Refused:
        shutil.rmtree(folder.path)
        raise
    except KeyboardInterrupt:
        _close(folder, description, progress, complete=False)
        raise Interrupted(folder) from None
    except BaseException:
        _close(folder, description, progress, complete=False)
        raise
    complete = progress.status in RAN_TO_ITS_END
    _close(folder, description, progress, complete=complete)
    problems = _problems(folder, progress)
    return Outcome(folder, 1 if problems else 0, problems, complete)


def _job(request: Request, folder: RunFolder) -> Job:
    return Job(
        run=str(folder.path.resolve()),
        preset=request.preset,
        seed=request.seed,
        selection=request.selection,
        implementations=tuple(str(path.resolve()) for path in request.implementations),
        only_mine=request.only_mine,
        threads=request.threads,
        timing=request.timing,
        limit_s=request.limit_s,
        timeout_s=request.timeout_s,
        builtin=str(request.builtin.resolve()) if request.builtin else "",
        clockless=request.clockless,
    )


def _cache_folder(request: Request) -> Any:
    class _Folder(tempfile.TemporaryDirectory[str]):
        def __enter__(self) -> Path:  # type: ignore[override]
            return Path(super().__enter__())

    return _Folder(prefix="gradgauge-cache-") if request.fresh_cache else nullcontext()


def _describe_request(request: Request, folder: RunFolder) -> dict[str, Any]:
    return {
        "run_id": folder.run_id,
        "command": ["gradgauge", *sys.argv[1:]],
        "preset": request.preset,
        "limit_s": request.limit_s,
        "seed": request.seed,
        "timing": asdict(request.timing),
        "selection": {axis: list(values) for axis, values in asdict(request.selection).items()},
        "start": _now(),
        "end": None,
        "complete": False,
        "metrics": {},
        "suites": {},
        "catalog": {"functions": {}, "broken": []},
        "environment": {"machine": {"system": platform.platform(), "logical_cores": os.cpu_count()}},
        "planned": [],
        "left_out": [],
        "phases_s": {},
        "spent_s": {},
    }


def _describe_plan(progress: Progress) -> dict[str, Any]:
    keys = ("metrics", "suites", "catalog", "environment", "planned", "left_out")
    return {key: progress.plan[key] for key in keys if key in progress.plan}


def _close(folder: RunFolder, description: dict[str, Any], progress: Progress, *, complete: bool) -> None:
    described = description | _describe_plan(progress)
    described["left_out"] = [*progress.left_out, *_unreached(progress), *described["left_out"]]
    described["phases_s"] = {name: round(seconds, 3) for name, seconds in progress.seconds.items()}
    described["spent_s"] = _where_time_went(progress)
    described |= {"end": _now(), "complete": complete}
    folder.write_description(described)
    write_benchmark_json(folder.benchmark_json, progress.benchmarks)
    # What the journal told stands in the other files by now; of a run that was cut short it is kept.
    journal = (folder.journal_jsonl,) if complete else ()
    for scratch in (folder.job_json, folder.pulse, folder.path / "pytest.ini", *journal):
        scratch.unlink(missing_ok=True)


SPENT = {
    "timed_s": "timed regions",
    "prepared_s": "fresh graphs and flushes",
    "companions_s": "control and copies",
    "warm_up_s": "warm-up and compilation",
    "calibration_s": "calibration",
}
"""What the fields of `rounds.Spent` are called in run.json."""


def _where_time_went(progress: Progress) -> dict[str, dict[str, float]]:
    """Return the seconds of each suite that reads a clock, by what they went into."""
    told = {}
    for suite, spent in progress.spent.items():
        rest_s = progress.seconds.get(suite, 0.0) - sum(spent.values())
        told[suite] = {name: round(spent[key], 3) for key, name in SPENT.items()} | {"rest": round(max(0.0, rest_s), 3)}
    return told


def _unreached(progress: Progress) -> list[dict[str, str]]:
    """Return what time did not suffice for, a line for each suite, function, mode and shape."""
    groups = Counter((suite, case.function, case.mode, case.dtype, case.shape) for suite, case in progress.unreached)
    reason = "the preset's time was used up"
    return [{"what": f"{' · '.join(group)}: {count} cases", "reason": reason} for group, count in groups.items()]


def _problems(folder: RunFolder, progress: Progress) -> tuple[str, ...]:
    records = folder.read_records()
    problems = []
    for broken in progress.plan.get("catalog", {}).get("broken", []):
        line = f":{broken['line']}" if broken["line"] else ""
        problems.append(f"broken: {broken['file']}{line}: {broken['message']}")
    problems += _failures([record for record in records if Verdict(record["verdict"]).is_failure])
    if progress.status not in RAN_TO_ITS_END:
        problems.append(f"the suites did not run to their end; see {folder.worker_log}")
    if not any(record["verdict"] not in ("unavailable", "not-applicable", "unsupported") for record in records):
        problems.append("nothing was measured")
    return tuple(problems)


def _failures(failed: list[dict[str, Any]]) -> list[str]:
    """Return a line for each technique that fails in a suite: its first record, and how many more there are.

    A fault shows in many kinds of input; one technique's must not push another's out of sight.
    """
    grouped: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for record in failed:
        key = tuple(record[axis] or "" for axis in ("suite", "function", "implementation", "mode", "verdict"))
        grouped.setdefault(key, []).append(record)
    more = {key: f" (and {len(group) - 1} more)" if len(group) > 1 else "" for key, group in grouped.items()}
    return [f"{_say(group[0])}{more[key]}" for key, group in grouped.items()]


def _say(record: dict[str, Any]) -> str:
    keys = ("function", "implementation", "mode", "pass", "device", "dtype", "shape", "layout")
    case = " · ".join(record[key] for key in keys if record[key])
    labels = "".join(f" [{key} {value}]" for key, value in record["labels"].items())
    return f"{record['verdict']}: {case}: {record['metric']}{labels}: {record['detail']}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
