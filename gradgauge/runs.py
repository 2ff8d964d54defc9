"""The run folder: the files of one run, and the only place that knows their names (no torch)."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from gradgauge.records import SCHEMA_VERSION, Profile, Record, Reproduction, Series, dump_line
from gradgauge.strict_json import NotStrict, parse


class UnreadableRun(Exception):
    """A run folder that cannot be read; the message names the file, the line and what is wrong."""


@dataclass(frozen=True)
class RunFolder:
    """One run on disk. Lines are appended and flushed one at a time, so that a kill loses at most one."""

    path: Path

    @property
    def run_id(self) -> str:
        """Return the folder's name, which every record carries."""
        return self.path.name

    @property
    def run_json(self) -> Path:
        """Return where the run's description stands."""
        return self.path / "run.json"

    @property
    def records_jsonl(self) -> Path:
        """Return where the records stand, one a line."""
        return self.path / "records.jsonl"

    @property
    def series_jsonl(self) -> Path:
        """Return where the curves stand, one a line."""
        return self.path / "series.jsonl"

    @property
    def benchmark_json(self) -> Path:
        """Return where the rounds stand in pytest-benchmark's format."""
        return self.path / "benchmark.json"

    @property
    def report_html(self) -> Path:
        """Return where the report stands."""
        return self.path / "report.html"

    @property
    def profiles_jsonl(self) -> Path:
        """Return where the profiles stand, one case a line."""
        return self.path / "profiles.jsonl"

    @property
    def reproductions_jsonl(self) -> Path:
        """Return where it stands how to see each fault oneself."""
        return self.path / "reproductions.jsonl"

    @property
    def traces(self) -> Path:
        """Return the folder of the profiler's traces, a folder a case within it, as TensorBoard reads them."""
        return self.path / "traces"

    @property
    def snapshots(self) -> Path:
        """Return the folder of the accelerator's memory snapshots, one a case."""
        return self.path / "snapshots"

    @property
    def journal_jsonl(self) -> Path:
        """Return where the worker says what it is doing."""
        return self.path / "journal.jsonl"

    @property
    def pulse(self) -> Path:
        """Return the page through which the worker tells its step; removed when the run ends."""
        return self.path / "pulse.bin"

    @property
    def job_json(self) -> Path:
        """Return what the worker is asked for; removed when the run ends."""
        return self.path / "job.json"

    @property
    def worker_log(self) -> Path:
        """Return where the worker's own output goes."""
        return self.path / "worker.log"

    @classmethod
    def create(cls, results: Path, now: datetime | None = None) -> RunFolder:
        """Make a new folder `runs/<UTC time>-<4 hex digits>` below `results`."""
        return cls.create_in(results / "runs", now)

    @classmethod
    def create_in(cls, parent: Path, now: datetime | None = None) -> RunFolder:
        """Make a new folder `<UTC time>-<4 hex digits>` in `parent`."""
        stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        path = parent / f"{stamp}-{secrets.token_hex(2)}"
        path.mkdir(parents=True)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Return the run at `path`, a folder or a link to one; raise UnreadableRun where there is none."""
        if not (path / "run.json").is_file():
            raise UnreadableRun(f"{path} is not a run folder: it has no run.json")
        return cls(path.resolve())

    def write_description(self, description: Mapping[str, Any]) -> None:
        """Replace run.json in one step, so that a reader never sees half of it."""
        text = json.dumps({"schema_version": SCHEMA_VERSION, **description}, indent=1, allow_nan=False)
        scratch = self.run_json.with_suffix(".json.tmp")
        scratch.write_text(text + "\n", encoding="utf-8")
        scratch.replace(self.run_json)

    def read_description(self) -> dict[str, Any]:
        """Return run.json; raise UnreadableRun where it is broken or of another schema."""
        return read_versioned(self.run_json, SCHEMA_VERSION)

    def append_record(self, record: Record) -> None:
        """Append one record."""
        append_line(self.records_jsonl, dump_line(record.to_json(self.run_id)))

    def append_series(self, series: Series) -> None:
        """Append one curve."""
        append_line(self.series_jsonl, dump_line(series.to_json(self.run_id)))

    def append_profile(self, profile: Profile) -> None:
        """Append what the profiler saw of one case."""
        append_line(self.profiles_jsonl, dump_line(profile.to_json(self.run_id)))

    def append_reproduction(self, found: Reproduction) -> None:
        """Append how to see one fault."""
        append_line(self.reproductions_jsonl, dump_line(found.to_json(self.run_id)))

    def read_records(self) -> list[dict[str, Any]]:
        """Return the lines of records.jsonl; a line that a kill cut short at the end is left out."""
        return [line for _, line in read_lines(self.records_jsonl)]

    def read_series(self) -> list[dict[str, Any]]:
        """Return the lines of series.jsonl; a line that a kill cut short at the end is left out."""
        return [line for _, line in read_lines(self.series_jsonl)]

    def read_profiles(self) -> list[dict[str, Any]]:
        """Return the lines of profiles.jsonl; a line that a kill cut short at the end is left out."""
        return [line for _, line in read_lines(self.profiles_jsonl)]

    def link_as_latest(self) -> None:
        """Point `runs/latest` at this run with a relative link; where links are not to be had, do nothing."""
        link = self.path.parent / "latest"
        scratch = self.path.parent / f".latest-{self.run_id}"
        try:
            scratch.symlink_to(self.run_id, target_is_directory=True)
            scratch.replace(link)
        except OSError:
            scratch.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Append one line and have it on its way to the disk before returning."""
    # One write of whole bytes with O_APPEND: a kill between two calls leaves only whole lines.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def is_file(path: Path) -> bool:
    """Return whether a run folder has this file.

    Raises UnreadableRun where something else has its name: a folder, a pipe, a link that leads nowhere, or one that
    leads out of the folder, with which a stranger's run could have a file of its reader's shown.
    """
    if not path.is_file():
        if path.is_symlink() or path.exists():
            raise UnreadableRun(f"{path}: not a file")
        return False
    if not path.resolve().is_relative_to(path.parent.resolve()):
        raise UnreadableRun(f"{path}: a link out of its folder, expected a file")
    return True


def read_versioned(path: Path, version: int) -> dict[str, Any]:
    """Return the object that a file of strict JSON holds.

    Raises UnreadableRun, naming the file, where it is none, or where its `schema_version` is another.
    """
    is_file(path)
    try:
        value = parse(path.read_bytes())
    except NotStrict as error:
        raise UnreadableRun(f"{path}{f':{error.line}' if error.line else ''}: {error}") from error
    found = value.get("schema_version") if isinstance(value, dict) else None
    if type(found) is not int or found != version:
        raise UnreadableRun(f"{path}: schema_version {found!r:.60}, this gradgauge reads {version}")
    return dict(value)


def read_lines(path: Path, may_be: Callable[[bytes], bool] | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a file of strict JSON lines with their line numbers, from 1; nothing where there is no file.

    may_be: lines that it says no to are passed over unread. A last line without its newline is what a kill leaves and
    is passed over, too; any other line that is no JSON object raises UnreadableRun with file and line.
    The file is read whole first: whoever stops half-way, at a line that is refused, leaves nothing open.
    """
    if not is_file(path):
        return
    for number, line in enumerate(BytesIO(path.read_bytes()), 1):
        if not line.endswith(b"\n") or (may_be and not may_be(line)):
            continue
        try:
            value = parse(line)
        except NotStrict as error:
            raise UnreadableRun(f"{path}:{number}: {error}") from error
        if not isinstance(value, dict):
            raise UnreadableRun(f"{path}:{number}: not an object")
        yield number, value


def is_cut_short(path: Path) -> bool:
    """Return whether a file's last line lacks its newline, as a kill leaves it."""
    if not is_file(path) or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"
