"""Keys, records and run folders for the tests of the calibration scripts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calibration.figures import Key
from gradgauge.cases import Case
from gradgauge.records import Record, Verdict
from gradgauge.runs import RunFolder
from tests.fakes import a_case

USUAL = {"clock": "wall", "cache": "warm"}


def a_key(implementation: str, labels: Mapping[str, str] | None = None, **axes: str) -> Key:
    """Return the key of a case of relu, forward, eager, float32, 8x8, unless told otherwise."""
    return Key(a_case(implementation=implementation, **axes), tuple(sorted((labels or {}).items())))


def a_line(key: Key, metric: str, value: float | None, verdict: str = "measured", **rest: Any) -> dict[str, Any]:
    """Return a line of records.jsonl."""
    return a_record(key, metric, value, verdict, **rest).to_json("run")


def a_record(key: Key, metric: str, value: float | None, verdict: str = "measured", **rest: Any) -> Record:
    """Return a record of the suite `speed`."""
    return Record("speed", key.case, metric, value, "", Verdict(verdict), labels=dict(key.labels), **rest)


def a_run(
    results: Path, records: list[Record], planned: list[Case] | None = None, *, complete: bool = True
) -> RunFolder:
    """Write a run folder."""
    folder = RunFolder.create(results)
    for record in records:
        folder.append_record(record)
    cases = [record.case for record in records] if planned is None else planned
    folder.write_description(
        {
            "seed": 0,
            "complete": complete,
            "planned": [{"suite": "speed", **case.to_json()} for case in cases],
            "environment": {"machine": {"cpu": "a CPU", "usable_cores": 2}},
        }
    )
    return folder
