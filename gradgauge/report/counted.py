"""What was counted of each technique, found by pass, and what is to be said of it in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from gradgauge.records import Record, Verdict
from gradgauge.report.blocks import Code, Text
from gradgauge.report.formatting import listed, number, plural
from gradgauge.report.techniques import coded

OPERATORS, KERNELS, WAITS, FLOPS = "operators", "kernels", "device_waits", "flops"
BREAKS, BREAK, RECOMPILES, GENERATED = "graph_breaks", "graph_break", "recompiles", "generated_kernels"
COMPILE, PAYBACK, INSTRUCTIONS = "compile_time", "payback", "instructions"
METRICS = {
    "counters": (OPERATORS, KERNELS, WAITS, FLOPS, BREAKS, BREAK, RECOMPILES, GENERATED),
    "compilation": (COMPILE, PAYBACK),
    "instructions": (INSTRUCTIONS,),
}
BOTH = "forward_backward"


@dataclass(frozen=True)
class Row:
    """A technique at a shape."""

    technique: str
    shape: str


@dataclass(frozen=True)
class Counted:
    """The records of one place."""

    records: tuple[Record, ...]

    @cached_property
    def _by_row(self) -> dict[tuple[str, Row], list[Record]]:
        found: dict[tuple[str, Row], list[Record]] = {}
        for record in self.records:
            row = Row(record.case.technique, record.case.shape)
            found.setdefault((record.metric, row), []).append(record)
        return found

    def of(self, *metrics: str) -> list[Record]:
        """Return the records of some metrics."""
        return [record for record in self.records if record.metric in metrics]

    def rows(self, *metrics: str) -> list[Row]:
        """Return the techniques that have a record of any of the metrics, in the order in which they were measured."""
        return list(dict.fromkeys(Row(each.case.technique, each.case.shape) for each in self.of(*metrics)))

    def find(self, metric: str, row: Row, pass_: str = BOTH, **labels: str) -> Record | None:
        """Return the record of a metric, a technique and a pass; None where there is none."""
        here = self._by_row.get((metric, row), [])
        return next((each for each in here if each.case.pass_ == pass_ and dict(each.labels) == labels), None)


def operators_in_words(counted: Counted) -> Text:
    """Return who of the eager techniques dispatches the fewest operators, and who the most, in both passes together."""
    found = [
        (record.value, record.case.implementation)
        for record in counted.of(OPERATORS)
        if record.case.mode == "eager" and record.case.pass_ == BOTH and record.value is not None
    ]
    if len(found) < 2:
        return ()
    fewest, most = min(found)[0], max(found)[0]
    if fewest == most:
        return (f"Run eagerly, all dispatch {number(fewest)} operators in forward and backward.",)
    least, worst = ([name for value, name in found if value == which] for which in (fewest, most))
    return (
        "Run eagerly, ",
        *coded(least),
        f" {_verb('dispatch', least)} the fewest operators in forward and backward ({number(fewest)}), ",
        *coded(worst),
        f" the most ({number(most)}).",
    )


def breaks_in_words(counted: Counted) -> Text:
    """Return which techniques torch.compile makes one graph of, and in which the graph breaks, in a sentence."""
    known = [(int(record.value), record.case.implementation) for record in _totals(counted) if record.value is not None]
    if not known:
        return ()
    broken = {name: count for count, name in known if count}
    if not broken:
        return (" Compiled, no graph breaks.",)
    times = listed([plural(count, "time") for count in dict.fromkeys(broken.values())], "or")
    return (" Compiled, the graph breaks in ", *coded(list(broken)), f" ({times}).")


def payback_in_words(counted: Counted) -> Text:
    """Return whose compile time is repaid soonest where nothing is cached, and whose never was, in a sentence."""
    cold = [record for record in counted.of(PAYBACK) if record.labels.get("cache") == "cold"]
    known = [(record.value, record.case) for record in cold if record.value is not None]
    paying = {case.implementation for _, case in known}
    refused = [record.case.implementation for record in cold if record.verdict is Verdict.NOT_APPLICABLE]
    never = [name for name in dict.fromkeys(refused) if name not in paying]
    if not known:
        return (" Compiling was not seen to be repaid by any of them.",) if never else ()
    calls, case = min(known)
    soonest = f" at {case.shape}, after {plural(round(calls), 'call')} with nothing cached"
    rest: Text = ("; never seen to be for ", *coded(never)) if never else ()
    return (" Compiling is repaid soonest for ", Code(case.implementation), soonest, *rest, ".")


def reasons_of_breaks(counted: Counted) -> list[Text]:
    """Return each reason once, with the techniques and the lines at which the graph breaks for it."""
    by_reason: dict[str, dict[str, list[str]]] = {}
    for record in counted.of(BREAK):
        times = f"{number(record.value)} × " if record.value and record.value > 1 else ""
        line = f"{times}{record.labels.get('at', '') or 'nowhere that PyTorch tells'}"
        techniques = by_reason.setdefault(record.detail or "no reason recorded", {})
        techniques.setdefault(record.case.technique, []).append(line)
    return [
        (f"The graph breaks: {reason.rstrip('.')}. ", *_places(techniques)) for reason, techniques in by_reason.items()
    ]


def remarks_on(records: Iterable[Record], what: str, of: Iterable[Record]) -> list[Text]:
    """Return what is said of the records, each remark once, with the techniques where it is not said of all.

    of: the records among which it might be said.
    """
    whole = {record.case.technique for record in of}
    said: dict[str, dict[str, None]] = {}
    for record in records:
        if record.detail:
            said.setdefault(record.detail, {})[record.case.technique] = None
    return [
        (what, *((", ", *coded(list(techniques))) if techniques.keys() != whole else ()), f": {detail.rstrip('.')}.")
        for detail, techniques in said.items()
    ]


def _totals(counted: Counted) -> list[Record]:
    return [record for record in counted.of(BREAKS) if not record.labels]


def _places(techniques: dict[str, list[str]]) -> Text:
    found: list[Text] = [(Code(technique), f": {'; '.join(lines)}. ") for technique, lines in techniques.items()]
    return tuple(part for text in found for part in text)


def _verb(verb: str, subjects: list[str]) -> str:
    return verb if len(subjects) > 1 else f"{verb}es"
