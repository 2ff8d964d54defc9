"""What the trend needs of each stored run, and no more: times, figures that count, the control."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gradgauge.gate.figures import COUNTING
from gradgauge.records import Record, Series
from gradgauge.report.control import SERIES
from gradgauge.report.data import RunData
from gradgauge.report.description import Description, read_case, read_description
from gradgauge.report.reading import Node
from gradgauge.report.record_lines import read_records
from gradgauge.runs import RunFolder, UnreadableRun, read_lines

_COUNTING_SUITES = ("memory", "counters")
# Between unescaped quotes nothing but the key itself can stand, so a line of another suite need not be parsed.
_SUITE = re.compile(rb'"suite": "([^"\\]*)"')
_SERIES = re.compile(rb'"series": "([^"\\]*)"')
_METRIC = re.compile(rb'"metric": "([^"\\]*)"')
_OF_SUITES = (b"speed", *(name.encode() for name in _COUNTING_SUITES))


@dataclass(frozen=True)
class Stored:
    """A run that was read, with where it lies. Its records are times and counting figures, its series the control."""

    path: Path
    run: RunData

    @property
    def run_id(self) -> str:
        """Return the run's id."""
        return self.run.description.run_id


@dataclass(frozen=True)
class Left:
    """A folder that is left out, and why."""

    path: Path
    reason: str


def read_all(results: Path) -> tuple[list[Stored], list[Left]]:
    """Return the runs below a folder, the earliest first, and the folders that are left out with the reason."""
    stored, left = dict[str, Stored](), list[Left]()
    for path in run_folders(results):
        try:
            found = Stored(path, read_run(RunFolder.open(path)))
        except (UnreadableRun, OSError) as error:
            left.append(Left(path, " ".join(str(error).split())))
            continue
        first = stored.setdefault(found.run_id, found)
        if first is not found:
            left.append(Left(path, f"the same run as {first.path}"))
        elif not found.run.description.start:
            left.append(Left(stored.pop(found.run_id).path, "its run.json does not say when it started"))
    return sorted(stored.values(), key=lambda found: (found.run.description.start, found.run_id)), left


def run_folders(results: Path) -> Iterator[Path]:
    """Yield every folder with a run.json, links not followed, so that `latest` is no second run."""
    for where, below, files in os.walk(results):
        below.sort()
        if "run.json" in files:
            below.clear()
            yield Path(where)


def read_run(folder: RunFolder) -> RunData:
    """Return the part of a run that the trend is made of. Raises UnreadableRun as RunData.load does."""
    described = read_description(Node(str(folder.run_json), folder.read_description()), folder.run_id)
    records = read_records(folder.records_jsonl, read_lines(folder.records_jsonl, _may_be_wanted))
    kept = tuple(record for record in records if _is_time(record) or is_counted(record, described))
    control = read_lines(folder.series_jsonl, _may_be_control)
    nodes = (Node(f"{folder.series_jsonl}:{number}", line) for number, line in control)
    return RunData(described, kept, tuple(_control(node) for node in nodes if node["series"].value == SERIES))


def is_counted(record: Record, described: Description) -> bool:
    """Whether the record is an exact figure that counts and has a direction, so that any change of it is one."""
    metric = described.metrics.get(record.metric)
    return (
        record.suite in _COUNTING_SUITES
        and record.value is not None
        and metric is not None
        and metric.exact
        and metric.better is not None
        and record.unit in COUNTING
    )


def _is_time(record: Record) -> bool:
    return (record.suite, record.metric) == ("speed", "time") and record.value is not None and record.value > 0


def _control(node: Node) -> Series:
    xs, ys = (
        tuple(float("nan") if (value := item.number()) is None else value for item in node[axis].elements())
        for axis in ("x", "y")
    )
    if len(xs) != len(ys):
        raise UnreadableRun(f"{node.where}: {len(xs)} values of x and {len(ys)} of y")
    return Series(read_case(node), SERIES, xs, ys, node["x_unit"].text(), node["y_unit"].text())


def _may_be_wanted(line: bytes) -> bool:
    suite, metric = _SUITE.search(line), _METRIC.search(line)
    if suite and suite[1] not in _OF_SUITES:
        return False
    return not (suite and metric and suite[1] == b"speed") or metric[1] == b"time"


def _may_be_control(line: bytes) -> bool:
    series = _SERIES.search(line)
    return not series or series[1] == SERIES.encode()
