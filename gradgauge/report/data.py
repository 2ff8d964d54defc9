"""A run in memory: its description, its records (as values and as a DataFrame), its curves and its profiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gradgauge.cases import Case, broadcast_elements, parse_shapes
from gradgauge.gate.findings import GATE_JSON, Gate
from gradgauge.records import AVAILABILITY, Profile, Record, Reproduction, Series
from gradgauge.report.description import Description, read_case, read_description
from gradgauge.report.gates import read_gate
from gradgauge.report.labels import odd_labels, words
from gradgauge.report.profiles import read_profile
from gradgauge.report.reading import Node, as_number
from gradgauge.report.record_lines import read_records
from gradgauge.report.reproductions import read_reproduction
from gradgauge.runs import RunFolder, UnreadableRun, is_cut_short, read_lines

if TYPE_CHECKING:
    from pandas import DataFrame

T = TypeVar("T")
K = TypeVar("K")


@dataclass(frozen=True)
class RunData:
    """One run. cut_short: the last line of a file was left half-written, as a kill leaves it.

    gate: what the regression gate found, where it was the gate that made the run folder.
    """

    description: Description
    records: tuple[Record, ...]
    series: tuple[Series, ...]
    profiles: tuple[Profile, ...] = ()
    reproductions: tuple[Reproduction, ...] = ()
    cut_short: tuple[str, ...] = ()
    gate: Gate | None = None

    @classmethod
    def load(cls, folder: RunFolder, suite: str = "") -> RunData:
        """Read a run folder. Raises UnreadableRun naming the file, the line and the key that is wrong.

        suite: only what it recorded and what could not run at all, no curves, profiles and gate; ten times as quick.
        """
        run = Node(str(folder.run_json), folder.read_description())
        wanted = (line for line in read_lines(folder.records_jsonl) if not suite or _belongs(line[1], suite))
        return cls(
            description=read_description(run, folder.run_id),
            records=read_records(folder.records_jsonl, wanted),
            series=() if suite else tuple(_series(line) for line in _nodes(folder.series_jsonl)),
            profiles=() if suite else tuple(read_profile(line) for line in _nodes(folder.profiles_jsonl)),
            reproductions=()
            if suite
            else tuple(read_reproduction(line) for line in _nodes(folder.reproductions_jsonl)),
            cut_short=tuple(
                path.name
                for path in (
                    folder.records_jsonl,
                    folder.series_jsonl,
                    folder.profiles_jsonl,
                    folder.reproductions_jsonl,
                )
                if is_cut_short(path)
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

        cases = [record.case for record in self.records]
        elements = {case: self.elements(case) for case in dict.fromkeys(cases)}
        axes = {key.name.rstrip("_"): [getattr(case, key.name) for case in cases] for key in fields(Case)}
        figures = ("metric", "value", "unit", "low", "high", "samples")
        frame = pd.DataFrame(
            {
                "suite": [record.suite for record in self.records],
                **axes,
                "technique": [case.technique for case in cases],
                "elements": [elements[case] for case in cases],
                "labels": [record.labels for record in self.records],
                "label_text": [label_text(record) for record in self.records],
                **{figure: [getattr(record, figure) for record in self.records] for figure in figures},
                "verdict": [str(record.verdict) for record in self.records],
                "detail": [record.detail for record in self.records],
            }
        )
        numeric = ["elements", "value", "low", "high", "samples"]
        return frame.assign(**{name: pd.to_numeric(frame[name]).astype(float) for name in numeric})

    def frame_of(self, function: str) -> DataFrame:
        """Return the rows of one function."""
        return self.frame.iloc[self._rows_by_function.get(function, [])]

    def records_of(self, function: str) -> Sequence[Record]:
        """Return the records of one function, in the order in which they were measured."""
        return self._by_function.get(function, [])

    def measured(self, suite: str, metric: str) -> Sequence[Record]:
        """Return the records of one metric of one suite, in the order in which they were measured."""
        return self._by_metric.get((suite, metric), [])

    @cached_property
    def answers(self) -> dict[Hashable, Any]:
        """Return what was found of this run already; see `once.once_a_run`."""
        return {}

    @cached_property
    def _by_function(self) -> dict[str, list[Record]]:
        return _grouped(self.records, lambda record: record.case.function)

    @cached_property
    def _rows_by_function(self) -> dict[str, list[int]]:
        return _grouped(range(len(self.records)), lambda row: self.records[row].case.function)

    @cached_property
    def _by_metric(self) -> dict[tuple[str, str], list[Record]]:
        return _grouped(self.records, lambda record: (record.suite, record.metric))

    def elements(self, case: Case) -> int | None:
        """Return how many elements the case's output has when its inputs broadcast; None where that is unknown."""
        function = self.description.functions.get(case.function)
        inputs = len(function.inputs) if function and function.inputs else case.shape.count(",") + 1
        return _elements(case.shape, inputs)

    def function_names(self) -> list[str]:
        """Return every function that the catalog lists or a record names, in that order.

        What is measured of the machine itself belongs to none.
        """
        named = dict.fromkeys([*self.description.functions, *self._by_function])
        return [name for name in named if name]

    def selected_functions(self) -> list[str]:
        """Return the functions that the run has anything to say of: a record, a curve or a planned case."""
        planned = (cell.case for cell in self.description.planned)
        drawn = [*(series.case for series in self.series), *(profile.case for profile in self.profiles)]
        mentioned = {*(case.function for case in (*planned, *drawn)), *self._by_function}
        return [name for name in self.function_names() if name in mentioned] or self.function_names()


@lru_cache(maxsize=2**12)
def _elements(shape: str, inputs: int) -> int | None:
    try:
        elements = broadcast_elements(parse_shapes(shape, inputs))
    except ValueError:
        return None
    return elements if elements < 2**63 else None


def _grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    found: dict[K, list[T]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found


def label_text(record: Record) -> str:
    """Return a record's labels as one text, `input=a · cold cache`; nothing where all that they say is usual."""
    return words(odd_labels(record))


def _nodes(path: Path) -> Iterator[Node]:
    return (Node(f"{path}:{number}", line) for number, line in read_lines(path))


def _belongs(line: Mapping[str, Any], suite: str) -> bool:
    return line.get("suite") == suite or line.get("metric") == AVAILABILITY.name


def _series(line: Node) -> Series:
    xs, ys = (_points(line[axis]) for axis in ("x", "y"))
    if len(xs) != len(ys):
        raise UnreadableRun(f"{line.where}: {len(xs)} values of x and {len(ys)} of y")
    return Series(read_case(line), line["series"].text(), xs, ys, line["x_unit"].text(), line["y_unit"].text())


def _points(axis: Node) -> tuple[float, ...]:
    """Return a list of numbers with NaN for null, each looked at by itself where any is neither."""
    if isinstance(axis.value, list):
        glance = [math.nan if value is None else as_number(value) for value in axis.value]
        if None not in glance:
            return tuple(float(value) for value in glance if value is not None)
    return tuple(math.nan if (value := item.number()) is None else float(value) for item in axis.elements())
