"""A run in memory: its description, its records (as values and as a DataFrame), its curves and its profiles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradgauge.cases import Case, broadcast_elements, parse_shapes
from gradgauge.gate.findings import GATE_JSON, Gate
from gradgauge.records import AVAILABILITY, Profile, Record, Series, Verdict
from gradgauge.report.description import Description, read_case, read_description
from gradgauge.report.gates import read_gate
from gradgauge.report.labels import odd_labels, words
from gradgauge.report.profiles import read_profile
from gradgauge.report.reading import Node
from gradgauge.runs import RunFolder, UnreadableRun, read_lines

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class RunData:
    """One run. cut_short: the last line of a file was left half-written, as a kill leaves it.

    gate: what the regression gate found, where it was the gate that made the run folder.
    """

    description: Description
    records: tuple[Record, ...]
    series: tuple[Series, ...]
    profiles: tuple[Profile, ...] = ()
    cut_short: tuple[str, ...] = ()
    gate: Gate | None = None

    @classmethod
    def load(cls, folder: RunFolder, suite: str = "") -> RunData:
        """Read a run folder. Raises UnreadableRun naming the file, the line and the key that is wrong.

        suite: only what it recorded and what could not run at all, no curves, profiles and gate; ten times as quick.
        """
        run = Node(str(folder.run_json), _description_json(folder))
        lines = (line for line in _nodes(folder.records_jsonl) if not suite or _belongs(line, suite))
        return cls(
            description=read_description(run, folder.run_id),
            records=tuple(_record(line) for line in lines),
            series=() if suite else tuple(_series(line) for line in _nodes(folder.series_jsonl)),
            profiles=() if suite else tuple(read_profile(line) for line in _nodes(folder.profiles_jsonl)),
            cut_short=tuple(
                path.name
                for path in (folder.records_jsonl, folder.series_jsonl, folder.profiles_jsonl)
                if _ends_without_newline(path)
            ),
            gate=None if suite else read_gate(folder.path / GATE_JSON),
        )

    @cached_property
    def frame(self) -> DataFrame:
        """Return the records as a table, one row each, missing numbers as NaN and blank axes as "".

        Columns: suite, the case's eight axes (`pass`, not `pass_`), technique, elements, labels (a dict),
        label_text, metric, value, unit, low, high, samples, verdict (text), detail.
        """
        import pandas as pd

        rows = [self._row(record) for record in self.records]
        axes = ("function", "implementation", "mode", "pass", "device", "dtype", "shape", "layout")
        figures = ("metric", "value", "unit", "low", "high", "samples", "verdict", "detail")
        columns = ("suite", *axes, "technique", "elements", "labels", "label_text", *figures)
        frame = pd.DataFrame(rows, columns=columns)
        numeric = ["elements", "value", "low", "high", "samples"]
        return frame.assign(**{name: pd.to_numeric(frame[name]).astype(float) for name in numeric})

    def measured(self, suite: str, metric: str) -> list[Record]:
        """Return the records of one metric of one suite, in the order in which they were measured."""
        return [record for record in self.records if (record.suite, record.metric) == (suite, metric)]

    def elements(self, case: Case) -> int | None:
        """Return how many elements the case's output has when its inputs broadcast; None where that is unknown."""
        function = self.description.functions.get(case.function)
        inputs = len(function.inputs) if function and function.inputs else case.shape.count(",") + 1
        try:
            elements = broadcast_elements(parse_shapes(case.shape, inputs))
        except ValueError:
            return None
        return elements if elements < 2**63 else None

    def function_names(self) -> list[str]:
        """Return every function that the catalog lists or a record names, in that order.

        What is measured of the machine itself belongs to none.
        """
        named = dict.fromkeys([*self.description.functions, *(record.case.function for record in self.records)])
        return [name for name in named if name]

    def selected_functions(self) -> list[str]:
        """Return the functions that the run has anything to say of: a record, a curve or a planned case."""
        planned = (cell.case for cell in self.description.planned)
        drawn = [*(series.case for series in self.series), *(profile.case for profile in self.profiles)]
        cases = [*planned, *(record.case for record in self.records), *drawn]
        mentioned = {case.function for case in cases}
        return [name for name in self.function_names() if name in mentioned] or self.function_names()

    def _row(self, record: Record) -> dict[str, Any]:
        case = record.case
        return {
            "suite": record.suite,
            **{key: value or "" for key, value in case.to_json().items()},
            "technique": case.technique,
            "elements": self.elements(case),
            "labels": dict(record.labels),
            "label_text": label_text(record),
            "metric": record.metric,
            "value": record.value,
            "unit": record.unit,
            "low": record.low,
            "high": record.high,
            "samples": record.samples,
            "verdict": str(record.verdict),
            "detail": record.detail,
        }


def label_text(record: Record) -> str:
    """Return a record's labels as one text, `input=a · cold cache`; nothing where all that they say is usual."""
    return words(odd_labels(record))


def _description_json(folder: RunFolder) -> dict[str, Any]:
    try:
        return folder.read_description()
    except (OSError, RecursionError) as error:
        raise UnreadableRun(f"{folder.run_json}: {error}") from error


def _nodes(path: Path) -> Iterator[Node]:
    try:
        for number, line in enumerate(read_lines(path), 1):
            yield Node(f"{path}:{number}", line)
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableRun(f"{path}: {error}") from error


def _belongs(line: Node, suite: str) -> bool:
    return bool(line["suite"].value == suite or line["metric"].value == AVAILABILITY.name)


def _ends_without_newline(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")


def _record(line: Node) -> Record:
    verdict = line["verdict"].required_text()
    if verdict not in tuple(Verdict):
        raise line["verdict"].refusal(f"one of {', '.join(Verdict)}")
    samples = line["samples"].number()
    return Record(
        suite=line["suite"].required_text(),
        case=read_case(line),
        metric=line["metric"].required_text(),
        value=line["value"].number(),
        unit=line["unit"].text(),
        verdict=Verdict(verdict),
        detail=line["detail"].text(),
        low=line["low"].number(),
        high=line["high"].number(),
        samples=None if samples is None else int(samples),
        labels={key: label.text() for key, label in line["labels"].items()},
    )


def _series(line: Node) -> Series:
    xs, ys = ([_point(item) for item in line[axis].elements()] for axis in ("x", "y"))
    if len(xs) != len(ys):
        raise UnreadableRun(f"{line.where}: {len(xs)} values of x and {len(ys)} of y")
    return Series(
        read_case(line), line["series"].text(), tuple(xs), tuple(ys), line["x_unit"].text(), line["y_unit"].text()
    )


def _point(item: Node) -> float:
    value = item.number()
    return math.nan if value is None else float(value)
