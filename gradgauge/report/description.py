"""run.json as values: what was asked for, what there was to measure, and where. Missing keys read as unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

from gradgauge.cases import Case
from gradgauge.records import Metric
from gradgauge.report.reading import Node, clean, is_printable


@dataclass(frozen=True)
class KinkEntry:
    """Where the derivative jumps. slopes: the one-sided derivatives, None where the run does not say."""

    name: str
    point: float | None
    slopes: tuple[float, float] | None


@dataclass(frozen=True)
class ModeEntry:
    """Whether an implementation runs in a mode on that machine, and why not."""

    available: bool
    reason: str


@dataclass(frozen=True)
class ImplementationEntry:
    """One implementation as the catalog listed it."""

    name: str
    summary: str
    convention: Mapping[str, float]
    expected_fail: Mapping[str, str]
    requires: tuple[str, ...]
    origin: str
    modes: Mapping[str, ModeEntry]


@dataclass(frozen=True)
class FunctionEntry:
    """One function as the catalog listed it.

    budgets_ulp: metric → the largest error that agrees. curve: the range of x that its picture is about.
    """

    name: str
    summary: str
    formula: str
    derivative: str
    source: str
    inputs: tuple[str, ...]
    breakpoints: tuple[float, ...]
    kinks: tuple[KinkEntry, ...]
    budgets_ulp: Mapping[str, float | None]
    curve: tuple[float, float] | None
    origin: str
    implementations: Mapping[str, ImplementationEntry]


@dataclass(frozen=True)
class BrokenFile:
    """An implementation file that could not be read."""

    file: str
    line: int | None
    message: str


@dataclass(frozen=True)
class Planned:
    """A case that a suite was to measure."""

    suite: str
    case: Case


@dataclass(frozen=True)
class Timing:
    """How times were taken. precision: the half width that an interval may have of its median; None is unknown."""

    precision: float | None
    caches: tuple[str, ...]
    protocols: tuple[str, ...]
    cuda_graph: bool


@dataclass(frozen=True)
class Description:
    """run.json. environment: nested mappings and lists of str, numbers, truth values and None.

    spent_s: suite → what it spent its time on → seconds.
    """

    run_id: str
    command: tuple[str, ...]
    preset: str
    seed: str
    start: str
    end: str
    complete: bool
    selection: Any
    metrics: Mapping[str, Metric]
    suites: Mapping[str, str]
    functions: Mapping[str, FunctionEntry]
    broken: tuple[BrokenFile, ...]
    environment: Any
    planned: tuple[Planned, ...]
    left_out: tuple[tuple[str, str], ...]
    phases_s: Mapping[str, float]
    timing: Timing
    spent_s: Mapping[str, Mapping[str, float]]


def read_description(run: Node, run_id: str) -> Description:
    """Return run.json's contents. Raises UnreadableRun naming the key whose type is wrong."""
    catalog = run["catalog"]
    broken = (*catalog["broken"].elements(), *run["broken"].elements())
    return Description(
        run_id=run["run_id"].text(run_id),
        command=tuple(word.text() for word in run["command"].elements()),
        preset=run["preset"].text(),
        seed=_scalar_text(run["seed"]),
        start=run["start"].text(),
        end=run["end"].text(),
        complete=run["complete"].flag(default=False),
        selection=run["selection"].anything(),
        metrics={name: _metric(name, metric) for name, metric in run["metrics"].items()},
        suites={name: question.text() for name, question in run["suites"].items()},
        functions={name: _function(name, entry) for name, entry in catalog["functions"].items()},
        broken=tuple(_broken(entry) for entry in broken),
        environment=run["environment"].anything(),
        planned=tuple(_planned(entry) for entry in run["planned"].elements()),
        left_out=tuple((_scalar_text(entry["what"]), entry["reason"].text()) for entry in run["left_out"].elements()),
        phases_s=_seconds(run["phases_s"]),
        timing=_timing(run["timing"]),
        spent_s={suite: _seconds(spent) for suite, spent in run["spent_s"].items()},
    )


def read_case(keys: Node) -> Case:
    """Return the case whose keys stand in a record, a series or a planned cell; null reads as blank."""
    glance = case_at_a_glance(keys.value) if isinstance(keys.value, dict) else None
    return glance or Case(
        function=keys["function"].text(),
        implementation=keys["implementation"].text(),
        mode=keys["mode"].text(),
        pass_=keys["pass"].text(),
        device=keys["device"].text(),
        dtype=keys["dtype"].text(),
        shape=keys["shape"].text(),
        layout=keys["layout"].text(),
    )


_AXES = itemgetter("function", "implementation", "mode", "pass", "device", "dtype", "shape", "layout")


def case_at_a_glance(keys: Mapping[str, Any]) -> Case | None:
    """Return the case where all its keys are there and printable or null, one object for one case; else None."""
    try:
        return _case(*_AXES(keys))
    except (KeyError, TypeError):  # a key is missing, or its value a list or an object
        return None


@lru_cache(maxsize=2**16)
def _case(*axes: object) -> Case | None:
    texts = [axis or "" for axis in axes if axis is None or (isinstance(axis, str) and is_printable(axis))]
    return Case(*texts) if len(texts) == len(axes) else None


def _seconds(entry: Node) -> dict[str, float]:
    return {name: seconds for name, item in entry.items() if (seconds := item.number()) is not None}


def _timing(entry: Node) -> Timing:
    return Timing(
        precision=entry["precision"].number(),
        caches=tuple(item.text() for item in entry["caches"].elements()),
        protocols=tuple(item.text() for item in entry["protocols"].elements()),
        cuda_graph=entry["cuda_graph"].flag(default=False),
    )


def _metric(name: str, entry: Node) -> Metric:
    better = entry["better"].text() or None
    if better not in ("lower", "higher", None):
        raise entry["better"].refusal("lower, higher or null")
    return Metric(name, entry["unit"].text(), better, entry["exact"].flag(default=False), entry["help"].text())


def _function(name: str, entry: Node) -> FunctionEntry:
    return FunctionEntry(
        name=name,
        summary=entry["summary"].text(),
        formula=entry["formula"].text(),
        derivative=entry["derivative"].text(),
        source=entry["source"].text(),
        inputs=tuple(item.text() for item in entry["inputs"].elements()),
        breakpoints=tuple(point for item in entry["breakpoints"].elements() if (point := item.number()) is not None),
        kinks=tuple(_kink(item) for item in entry["kinks"].elements()),
        budgets_ulp={
            "value_max_ulp": entry["value_budget_ulp"].number(),
            "gradient_max_ulp": entry["gradient_budget_ulp"].number(),
        },
        curve=_pair(entry["curve"]),
        origin=entry["origin"].text(),
        implementations={key: _implementation(key, item) for key, item in entry["implementations"].items()},
    )


def _kink(entry: Node) -> KinkEntry:
    return KinkEntry(entry["name"].text(), entry["point"].number(), _pair(entry["slopes"]))


def _pair(entry: Node) -> tuple[float, float] | None:
    numbers = [value for item in entry.elements() if (value := item.number()) is not None]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def _implementation(name: str, entry: Node) -> ImplementationEntry:
    slopes = {kink: slope.number() for kink, slope in entry["convention"].items()}
    return ImplementationEntry(
        name=name,
        summary=entry["summary"].text(),
        convention={kink: slope for kink, slope in slopes.items() if slope is not None},
        expected_fail={metric: reason.text() for metric, reason in entry["expected_fail"].items()},
        requires=tuple(item.text() for item in entry["requires"].elements()),
        origin=entry["origin"].text(),
        modes={
            mode: ModeEntry(item["available"].flag(default=True), item["reason"].text())
            for mode, item in entry["modes"].items()
        },
    )


def _broken(entry: Node) -> BrokenFile:
    line = entry["line"].number()
    return BrokenFile(entry["file"].text(), None if line is None else int(line), entry["message"].text())


def _planned(entry: Node) -> Planned:
    return Planned(entry["suite"].text(), read_case(entry))


def _scalar_text(node: Node) -> str:
    if isinstance(node.value, dict):
        return " · ".join(_scalar_text(item) for _, item in node.items() if item.value is not None)
    return "" if node.value is None else clean(str(node.value))
