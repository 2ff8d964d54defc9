"""What shows a fault: the smallest input that the run recorded, or the case alone, and code that is written from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gradgauge.cases import DTYPES, LAYOUTS, REFERENCE, parse_shapes
from gradgauge.examples import Example, ExampleCall, Given, Numbers, Outcome, nested
from gradgauge.records import Record, Reproduction, Verdict
from gradgauge.report.behavior import SUITE, is_behavior
from gradgauge.report.data import RunData
from gradgauge.report.faults import ATLAS, Fault
from gradgauge.report.formatting import listed, plural
from gradgauge.report.once import once_a_run
from gradgauge.snippet_templates import TOLD_BY_REFERENCE
from gradgauge.snippets import Source, source_of, write_case, write_gradcheck, write_snippet

_FEW = 8
_GRADCHECK_SIZE = 3
_NUMERICAL = ("gradcheck", "gradgradcheck")
_WHERE = ("input", "output")


@dataclass(frozen=True)
class Evidence:
    """How to see a fault. smallest: the input, what was found and what is right; blank where the run recorded none.

    code: plain PyTorch; caption: what of it is the run's. elements: how many the inputs have, those that are alike
    counted once. shows: what of the call is wrong, `gradient of a`; blank where that is no tensor.
    """

    smallest: str
    code: str
    caption: str
    elements: float
    shows: str = ""


def evidence_of(run: RunData, fault: Fault) -> Evidence | None:
    """Return what shows a fault best; None where the run does not say enough to write anything down."""
    recorded = recorded_for(run, fault)
    if recorded is not None:
        return _of_reproduction(run, recorded)
    if fault.metric in ATLAS or is_behavior(fault.record):
        return None
    return _of_case(run, fault.record)


def shortest_of(run: RunData, fault: Fault) -> str:
    """Return `x = 0.5: −1 where 1 is right` of what the run recorded; nothing where it is not short."""
    recorded = recorded_for(run, fault)
    return _told_shortly(recorded.example) if recorded else ""


def recorded_for(run: RunData, fault: Fault) -> Reproduction | None:
    """Return what the run recorded of a fault: of one of its records, else of its metric; the smallest first."""
    case = fault.record.case
    alike = _recorded(run).get((fault.record.suite, case.function, case.implementation, fault.metric), [])
    records = {(record.case.dtype, record.case.shape, *sorted(record.labels.items())) for record in fault.records}
    own = [found for found in alike if (found.case.dtype, found.case.shape, *sorted(found.labels.items())) in records]
    near = [found for found in alike if all(found.labels.get(name) == fault.record.labels.get(name) for name in _WHERE)]
    return min(own or near, key=lambda found: _elements(found.example), default=None)


@once_a_run
def _recorded(run: RunData) -> dict[tuple[str, str, str, str], list[Reproduction]]:
    grouped: dict[tuple[str, str, str, str], list[Reproduction]] = {}
    for found in run.reproductions:
        key = (found.suite, found.case.function, found.case.implementation, found.metric)
        grouped.setdefault(key, []).append(found)
    return grouped


def _of_reproduction(run: RunData, found: Reproduction) -> Evidence | None:
    wants_reference = found.metric in TOLD_BY_REFERENCE
    source = _source(run, found.case.function, found.case.implementation, found.case.mode, wants_reference)
    behavior = found.metric if found.suite == SUITE else ""
    code = write_snippet(found.example, source, behavior) if source else ""
    caption = (
        "The smallest input that was found to show it." if found.example.is_small else "Inputs on which it was seen."
    )
    shows = found.example.shows if _told_shortly(found.example) else ""
    return Evidence(_told(found.example), code, caption, _elements(found.example), shows)


def _of_case(run: RunData, record: Record) -> Evidence | None:
    """Return code for the case alone, on numbers that are drawn: what a crash leaves, and an older run."""
    case, function = record.case, run.description.functions.get(record.case.function)
    wants_reference = record.verdict is not Verdict.CRASHED and " raised " not in record.detail
    source = _source(run, case.function, case.implementation, case.mode, wants_reference)
    example = _drawn(record, function.inputs) if function else None
    if source is None or example is None:
        return None
    if record.metric in _NUMERICAL:
        return Evidence("", write_gradcheck(example, source, record.metric), "On numbers of its own.", math.inf)
    kink = next((kink for kink in function.kinks if kink.name == record.labels.get("kink")), None) if function else None
    if kink and kink.point is not None and len(example.names) == 1:
        at = Given(example.names[0], Numbers((1,), case.dtype, (kink.point,)))
        code = write_case(Example((ExampleCall((at,)),), example.device), source, case.pass_)
        return Evidence("", code, "At the kink.", 1)
    caption = "The case, on drawn numbers: not the smallest input, nor the numbers that the run had."
    return Evidence("", write_case(example, source, case.pass_), caption, math.inf)


def _source(run: RunData, function: str, implementation: str, mode: str, wants_reference: bool) -> Source | None:  # noqa: FBT001
    """Return how a snippet gets at an implementation; None where the run does not say where it lies."""
    entry = run.description.functions.get(function)
    names = (function, implementation)
    if entry is None or implementation not in entry.implementations or not all(map(str.isidentifier, names)):
        return None
    files = {
        name: "" if found.origin == "built-in" else found.origin
        for name, found in entry.implementations.items()
        if found.origin
    }
    if implementation not in files:
        return None
    reference = files.get(REFERENCE) if wants_reference else None
    return source_of(function, files[implementation], mode, implementation=implementation, reference=reference)


def _drawn(record: Record, names: Sequence[str]) -> Example | None:
    case = record.case
    try:
        shapes = parse_shapes(case.shape, len(names))
    except ValueError:
        return None
    if case.dtype not in DTYPES or case.layout not in LAYOUTS or not names:
        return None
    if record.metric in _NUMERICAL:
        shapes = tuple(tuple(min(size, _GRADCHECK_SIZE) for size in shape) for shape in shapes)
    asks = case.pass_ != "inference"
    given = tuple(
        Given(name, Numbers(shape, case.dtype, None), case.layout, asks)
        for name, shape in zip(names, shapes, strict=True)
    )
    return Example((ExampleCall(given),), case.device.partition(":")[0])


def _elements(example: Example) -> int:
    given = (given.numbers for call in example.calls for given in call.inputs)
    return sum(1 if numbers.is_alike else numbers.count for numbers in given)


def _told(example: Example) -> str:
    """Return `x = 0.5, cotangent 1 → gradient of x −1, right is 1`; for several calls what each is given."""
    many = len(example.calls) > 1
    said = [_given(call) + (f" → {found}" if (found := _found(example, call)) else "") for call in example.calls]
    return f"{plural(len(said), 'call')}, all forwards before the backwards: {'; '.join(said)}" if many else said[0]


def _told_shortly(example: Example) -> str:
    """Return `x = 0.5: −1 where 1 is right`; nothing where that is not short."""
    call = example.calls[0]
    outcome = _outcome(example, call)
    if len(example.calls) > 1 or outcome is None or outcome.found is None or _elements(example) > _FEW:
        return ""
    inputs = ", ".join(f"{given.name} = {_number_text(given.numbers)}" for given in call.inputs)
    return f"{inputs}: {_number_text(outcome.found)} where {_number_text(outcome.right)} is right"


def _given(call: ExampleCall) -> str:
    layouts = {given.layout for given in call.inputs}
    said = ", ".join(
        f"{given.name} = {_number_text(given.numbers)}"
        + (f" ({given.layout})" if given.layout != "contiguous" or len(layouts) > 1 else "")
        for given in call.inputs
    )
    grads = [_number_text(grad) for grad in call.grad_outputs if grad]
    if grads and any(given.asks for given in call.inputs):
        layout = "" if call.grad_layout == "contiguous" else f" ({call.grad_layout})"
        said += f", {'cotangents' if len(grads) > 1 else 'cotangent'} {listed(grads)}{layout}"
    return said


def _found(example: Example, call: ExampleCall) -> str:
    outcome = _outcome(example, call)
    if outcome is None or outcome.found is None:
        return ""
    return f"{example.shows} {_number_text(outcome.found)}, right is {_number_text(outcome.right)}"


def _outcome(example: Example, call: ExampleCall) -> Outcome | None:
    if example.shows.startswith("value"):
        _, _, index = example.shows.partition(" ")
        at = int(index) if index.isdecimal() else 0
        return call.values[at] if at < len(call.values) else None
    for given, gradient in zip(call.inputs, call.gradients, strict=False):
        if example.shows == f"gradient of {given.name}":
            return gradient
    return None


def _number_text(numbers: Numbers) -> str:
    """Return numbers for a reader: one without brackets, and of many how many and within what."""
    if not numbers.count:
        return f"nothing of shape {'×'.join(map(str, numbers.shape))}"
    if numbers.values is None or numbers.count > _FEW:
        shape = "×".join(map(str, numbers.shape))
        alike = numbers.low == numbers.high
        span = _plain(numbers.low) if alike else f"from {_plain(numbers.low)} to {_plain(numbers.high)}"
        return f"{shape} numbers, {'each ' if alike else ''}{span}"
    texts = [_plain(value) for value in numbers.values]
    return texts[0] if numbers.count == 1 else nested(texts * (numbers.count // len(texts)), numbers.shape)


def _plain(value: float) -> str:
    """Return a number to seven digits, with a true minus sign."""
    if math.isnan(value):
        return "NaN"
    text = "∞" if math.isinf(value) else f"{abs(value):.7g}"
    return f"−{text}" if math.copysign(1, value) < 0 else text
