"""A run folder as large as asked for: an existing one, its functions over and over under other names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from calibration.figures import Problem
from gradgauge.runs import RunFolder

Line = dict[str, Any]


def write_scaled(like: RunFolder, records: int, target: Path) -> RunFolder:
    """Write a run of exactly so many records below `target` and return it.

    Each copy has catalog entries, planned cases, curves and profiles of its own, so that every section has its share
    of the work; what belongs to no function stands there once. Raises Problem where there is nothing to copy.
    """
    description, lines = like.read_description(), like.read_records()
    own = [line for line in lines if line["function"]]
    if not own:
        raise Problem(f"{like.path} holds no record of a function, so there is nothing to copy")
    rest = [line for line in lines if not line["function"]][:records]
    copies = -(-(records - len(rest)) // len(own))

    folder = RunFolder(target / f"{like.run_id}-{records}")
    folder.path.mkdir(parents=True)
    functions = description["catalog"]["functions"]
    catalog = {_renamed(name, copy): entry for copy in range(copies) for name, entry in functions.items()}
    folder.write_description(
        description
        | {
            "run_id": folder.run_id,
            "complete": True,
            "catalog": description["catalog"] | {"functions": catalog},
            "planned": list(_copied(description["planned"], copies)),
        }
    )
    _write(folder.records_jsonl, [*rest, *_copied(own, copies)][:records])
    _write(folder.series_jsonl, _copied(like.read_series(), copies))
    _write(folder.profiles_jsonl, _copied(like.read_profiles(), copies))
    return folder


def _copied(lines: list[Line], copies: int) -> Iterator[Line]:
    """Yield the lines of each copy; those of no function once."""
    for copy in range(copies):
        yield from (_line(line, copy) for line in lines if line["function"] or not copy)


def _line(line: Mapping[str, Any], copy: int) -> Line:
    return {**line, "function": _renamed(line["function"], copy)} if line["function"] else dict(line)


def _renamed(function: str, copy: int) -> str:
    return f"{function}_{copy}" if copy else function


def _write(path: Path, lines: list[Line] | Iterator[Line]) -> None:
    text = "".join(json.dumps(line, allow_nan=False, ensure_ascii=False) + "\n" for line in lines)
    if text:
        path.write_text(text, encoding="utf-8")
