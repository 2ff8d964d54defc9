"""A line of reproductions.jsonl: each key looked at before it is believed, for code is written from what it holds."""

from __future__ import annotations

import math
import re

from gradgauge.cases import DTYPES, LAYOUTS
from gradgauge.examples import NONFINITE, Example, ExampleCall, Given, Numbers, Outcome
from gradgauge.records import Reproduction
from gradgauge.report.description import read_case
from gradgauge.report.reading import Node

_MOST_DIMENSIONS = 16
_OPERATOR = re.compile(r"(\w+(\.\w+)*)?")
_OTHER_LAYOUTS = ("sliced", "repeated")


def read_reproduction(line: Node) -> Reproduction:
    """Return what a line holds. Raises UnreadableRun naming file, line and key where one is missing or wrong."""
    case = read_case(line)
    calls = tuple(_call(item) for item in line["calls"].elements())
    if not calls:
        raise line["calls"].refusal("a call or more")
    operator = line["operator"].text()
    if not _OPERATOR.fullmatch(operator):
        raise line["operator"].refusal("the name of an operator")
    example = Example(
        calls,
        case.device.partition(":")[0] or "cpu",
        line["shows"].text(),
        line["is_small"].flag(default=False),
        operator,
    )
    labels = {key: item.text() for key, item in line["labels"].items()}
    return Reproduction(line["suite"].required_text(), case, line["metric"].required_text(), labels, example)


def _call(item: Node) -> ExampleCall:
    inputs = tuple(_given(each) for each in item["inputs"].elements())
    if not inputs:
        raise item["inputs"].refusal("an input or more")
    gradients = tuple(_outcome(each) if each.value is not None else None for each in item["gradients"].elements())
    if len(gradients) not in (0, len(inputs)):
        raise item["gradients"].refusal(f"{len(inputs)} of them, one an input")
    values = tuple(_outcome(each) for each in item["values"].elements())
    sent = tuple(_numbers(each) if each.value is not None else None for each in item["grad_outputs"].elements())
    if len(sent) not in (0, len(values)):
        raise item["grad_outputs"].refusal(f"{len(values)} of them, one an output")
    return ExampleCall(
        inputs,
        values,
        gradients,
        sent,
        _layout(item["grad_layout"]),
        item["is_tuple"].flag(default=False),
        item["records_graph"].flag(default=True),
    )


def _given(item: Node) -> Given:
    return Given(item["name"].required_text(), _numbers(item), _layout(item["layout"]), item["asks"].flag(default=True))


def _outcome(item: Node) -> Outcome:
    found = item["found"]
    return Outcome(_numbers(item["right"]), None if found.value is None else _numbers(found))


def _layout(item: Node) -> str:
    known = (*LAYOUTS, *_OTHER_LAYOUTS)
    if item.text() not in known:
        raise item.refusal(f"one of {', '.join(known)}")
    return item.text()


def _numbers(item: Node) -> Numbers:
    dtype, shape = item["dtype"].text(), item["shape"]
    if dtype not in DTYPES:
        raise item["dtype"].refusal(f"one of {', '.join(DTYPES)}")
    sizes = [(each, each.count()) for each in shape.elements()]
    missing = next((each for each, size in sizes if size is None), None)
    if missing is not None or shape.value is None or len(sizes) > _MOST_DIMENSIONS:
        raise (missing or shape).refusal(f"a list of sizes, at most {_MOST_DIMENSIONS}")
    dimensions = tuple(size for _, size in sizes if size is not None)
    values = None if item["values"].value is None else tuple(_value(each) for each in item["values"].elements())
    count = math.prod(dimensions)
    if values is not None and len(values) not in {count, min(count, 1)}:
        raise item["values"].refusal(f"{count} numbers, or the one that they all are")
    return Numbers(dimensions, dtype, values, _value(item["low"]), _value(item["high"]))


def _value(item: Node) -> float:
    if isinstance(item.value, str) and item.value in NONFINITE:
        return float(item.value)
    number = item.number()
    if number is None:
        raise item.refusal(f"a number or one of {', '.join(NONFINITE)}")
    return float(number)
