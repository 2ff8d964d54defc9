"""The smallest input that shows a fault of an implementation, looked for once all of its case was judged.

Whatever it calls, and however often, comes too late to change a verdict of the case. Each fault is made small once a
run, where it was met first.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from torch import Tensor

from gradgauge.attempts import Failure, attempt
from gradgauge.behavior.process import put_back
from gradgauge.behavior.subject import Subject
from gradgauge.behavior.table import BEHAVIORS, try_behavior
from gradgauge.calling import Call
from gradgauge.checking.faults import MENDED, OVERWRITTEN, Fault, Judge, Shot, example_of
from gradgauge.checking.shrinking import Shrinker
from gradgauge.checking.snippets import example_of_behavior
from gradgauge.checking.target import Target, cut_to
from gradgauge.compilation import no_recompile
from gradgauge.docket import Cell
from gradgauge.error_budgets import Budgets
from gradgauge.examples import Example
from gradgauge.gauge import Gauge
from gradgauge.natures import natures_in, pattern_of
from gradgauge.records import Reproduction, Verdict
from gradgauge.situations import Situation
from gradgauge.snippet_templates import BEHAVIORS as SHOWN

MOST_S = 1.0
"""So long may the faults of one implementation be made small, in seconds; what is then left is not looked at."""
SIZES = (1, 2, 3)
"""What dimensions are cut to in search of a smaller input on which a behaviour is wrong."""
FEW = 2

_SYMPTOMS = {
    "value_max_ulp": "error",
    "gradient_max_ulp": "error",
    "value_nonfinite": "finiteness",
    "gradient_nonfinite": "finiteness",
}


@dataclass(frozen=True)
class _Found:
    """A fault as it was judged. symptom: how it is known again, whatever it is where empty."""

    metric: str
    labels: Mapping[str, str]
    detail: str
    situation: Situation
    symptom: tuple[str, ...]


@dataclass
class Disagreements:
    """What was found wrong in a case, until all of it is judged."""

    gauge: Gauge
    found: list[_Found] = field(default_factory=list)

    def note(self, cells: Sequence[Cell], situation: Situation) -> None:
        """Take in the cells that are wrong in a situation, but for those that are about no call of it."""
        for cell in cells:
            symptom = _symptom(cell)
            if cell.is_right is False and symptom:
                self.found.append(_Found(cell.metric.name, cell.labels, cell.detail, situation, symptom))

    def note_failure(self, metric: str, labels: Mapping[str, str], failure: Failure, situation: Situation) -> None:
        """Take in that a situation raised."""
        if failure.verdict == Verdict.FAIL:
            self.found.append(_Found(metric, labels, failure.detail, situation, ()))

    def reproduce(self, budgets: Budgets) -> None:
        """File the smallest input that shows each of them, where nobody has yet."""
        for each in self.found:
            said = natures_in(each.metric, each.detail)
            where = (each.labels.get("input", ""), each.labels.get("output", ""))
            with _first(self.gauge, (each.metric, *where, pattern_of(said[0]) if said else "")) as seconds:
                if seconds is not None:
                    self.gauge.step(f"making a fault small: {each.metric}")
                    example = attempt("it", lambda each=each, seconds=seconds: self._example(each, budgets, seconds))  # type: ignore[misc]
                    if isinstance(example, Reproduction):
                        self.gauge.reproduction(example)

    def _example(self, each: _Found, budgets: Budgets, seconds: float) -> Reproduction | None:
        gauge = self.gauge
        kind = each.labels.get("kind", "")
        kinds = (kind,) if kind and each.symptom else ()
        # Smaller inputs would need other code: compiled calls are asked only where the call itself does not show it.
        for mode in dict.fromkeys(("eager", gauge.case.mode)):
            case = replace(gauge.case, mode=mode)
            target = _target(gauge, gauge.call(case))
            judge = Judge(target, budgets, each.symptom)
            # What was judged a moment ago need not be judged again, but to see what else there is to it.
            is_known = mode == gauge.case.mode and each.symptom not in ((), OVERWRITTEN)
            with no_recompile():
                fault = Fault(each.symptom, each.detail) if is_known else judge.fault(each.situation, kinds)
                if fault is None or (not each.symptom and fault.symptom[0] != Verdict.FAIL):
                    continue
                shrinker = Shrinker(target, judge, each.situation, fault, kinds, seconds)
                shots: tuple[Shot, ...] = shrinker.smallest() if mode == "eager" else shrinker.filled()
                example = example_of(target, shots, fault)
            is_small = _elements(shots) < _elements(each.situation.trials)
            return Reproduction(gauge.suite, case, each.metric, each.labels, replace(example, is_small=is_small))
        return None


def reproduce_behaviors(gauge: Gauge, subject: Subject, wrong: Mapping[str, str]) -> None:
    """File inputs that show each behaviour that is wrong, as small as show it. wrong: its name → what was found."""
    for name, detail in wrong.items():
        if name in SHOWN:
            with _first(gauge, (name,)) as seconds:
                if seconds is not None:
                    gauge.step(f"making a fault small: {name}")
                    example = _behaving(gauge, subject, name, detail, seconds)
                    gauge.reproduction(Reproduction(gauge.suite, gauge.case, name, {}, example))


def _behaving(gauge: Gauge, subject: Subject, name: str, detail: str, seconds: float) -> Example:
    found = _smaller(subject, name, detail, seconds) if gauge.case.mode == "eager" else None
    inputs = found or cut_to(subject.samples[0], FEW)
    call = gauge.implementation(gauge.case).call
    is_tuple = attempt("the reference", lambda: isinstance(gauge.entry.reference.implementation.call(*inputs), tuple))
    names = gauge.entry.function.inputs
    example = example_of_behavior(call, names, name, inputs, is_tuple=is_tuple is True)
    return replace(example, is_small=found is not None)


def _smaller(subject: Subject, name: str, detail: str, seconds: float) -> tuple[Tensor, ...] | None:
    """Return inputs, cut from the subject's, on which the behaviour is wrong; None where none were found in time."""
    behavior = next(each for each in BEHAVIORS if each.name == name)
    until = time.monotonic() + seconds
    for size in SIZES:
        if time.monotonic() > until:
            return None
        cut = replace(subject, samples=tuple(cut_to(sample, size) for sample in subject.samples))
        with put_back():
            outcome = try_behavior(behavior, cut)
        # That a smaller input raises is another matter.
        if outcome.verdict == Verdict.FAIL and " raised " not in outcome.detail.removeprefix(detail):
            return cut.samples[0]
    return None


@contextmanager
def _first(gauge: Gauge, fault: tuple[str, ...]) -> Iterator[float | None]:
    """Yield the seconds that are left for a fault; None where none are, and where it was looked at before.

    That may have been in another mode and dtype.
    """
    case = gauge.case
    seen: dict[tuple[str, ...], float] = gauge.once_per_run(f"faults of {case.function} {case.implementation}", dict)
    if fault in seen:
        yield None
        return
    left = MOST_S - sum(seen.values())
    if left <= 0:
        yield None
        return
    began = time.monotonic()
    seen[fault] = 0.0
    yield left
    seen[fault] = time.monotonic() - began


def _symptom(cell: Cell) -> tuple[str, ...]:
    """Return how the fault is known again in smaller inputs; nothing where the cell is about no call."""
    metric = cell.metric.name
    if metric in ("gradient_mended", "overwritten"):
        return MENDED if metric == "gradient_mended" else OVERWRITTEN
    if metric not in _SYMPTOMS:
        return ()
    output = cell.labels.get("output", "")
    of = f"gradient of {cell.labels['input']}" if "input" in cell.labels else f"value {output}".strip()
    return (of, _SYMPTOMS[metric])


def _elements(shots: Sequence[Shot]) -> int:
    return sum(tensor.numel() for truth, _ in shots for tensor in truth.inputs)


def _target(gauge: Gauge, call: Call) -> Target:
    case, entry = gauge.case, gauge.entry
    return Target(call, (), case, case, entry, has_reference=True, is_elementwise=True)
