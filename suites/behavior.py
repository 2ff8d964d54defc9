"""Where can each implementation be used: transforms, double backward, capture, threads, autocast, a second call?"""

from __future__ import annotations

from collections.abc import Callable

from gradgauge.atlas import joints
from gradgauge.attempts import Failure, attempt
from gradgauge.behavior.process import put_back
from gradgauge.behavior.subject import SAMPLES, Subject
from gradgauge.behavior.table import BEHAVIORS, EXPECTABLE, in_order, try_behavior
from gradgauge.calling import Call
from gradgauge.compilation import NO_GRAPH, Watch, forget_compiled
from gradgauge.docket import Cell, Docket
from gradgauge.gauge import Gauge
from gradgauge.grid import Suite, Sweep, smallest
from gradgauge.inputs import generator_for, random_inputs
from gradgauge.loading import load_module
from gradgauge.numerical import away_from
from gradgauge.records import Verdict
from gradgauge.reproductions import reproduce_behaviors

BOTH = ("forward_backward",)


SUITE = Suite(
    question=__doc__,
    metrics=tuple(behavior.metric for behavior in BEHAVIORS),
    sweeps={
        "quick": (Sweep(BOTH, modes=("eager",), pick=smallest),),
        "standard": (Sweep(BOTH, pick=smallest),),
        "full": (Sweep(BOTH, dtypes=("float32", "float64", "bfloat16"), pick=smallest),),
    },
    order=15,
    eager_first=True,
    whatever_pass=True,
    until=0.78,
)


def test_behavior(gauge: Gauge) -> None:
    """Try one implementation on every behaviour: each passes, fails, or is unsupported, with the reason."""
    gauge.step("trying its behaviour")
    first = BEHAVIORS[0].metric
    if gauge.case.mode == "compiled":
        forget_compiled()  # `Function.apply` is one piece of code, whoever's it is: what became of it is the last one's
    subject = gauge.once_per_block(
        f"subject {gauge.case.technique}", lambda: attempt("the reference", lambda: subject_of(gauge))
    )
    if isinstance(subject, Failure):
        gauge.reference_failed(first, subject)
        return
    watch = Watch()
    run = attempt("the call", subject.run)
    if isinstance(run, Failure):
        gauge.fail(first, run)
        return
    if gauge.case.mode == "compiled" and not watch.compiled().graphs:
        gauge.record(first, None, "unsupported", NO_GRAPH)
        return
    docket = Docket(gauge, EXPECTABLE)
    docket.refuse_unknown(first)
    for behavior in in_order():
        gauge.step(f"trying its behaviour: {behavior.name}")
        with put_back():  # what one implementation changes of the process must not redden the next
            outcome = try_behavior(behavior, subject)
        if outcome.verdict in (Verdict.PASS, Verdict.FAIL):
            is_right = outcome.verdict == Verdict.PASS
            docket.add(Cell(behavior.metric, {}, 0 if is_right else 1, is_right, outcome.detail))
        else:
            docket.add_failure(behavior.metric, {}, outcome)
    docket.file()
    reproduce_behaviors(gauge, subject, {cell.metric.name: cell.detail for cell in docket.wrong})


def subject_of(gauge: Gauge) -> Subject:
    """Return the case's call with inputs of its own shape, away from kinks, and the reference as what is right."""
    case, entry = gauge.case, gauge.entry
    draws = [generator_for(case, gauge.seed, f"behaviour {number}").initial_seed() for number in range(SAMPLES)]
    samples = tuple(
        tuple(tensor.to(case.device) for tensor in away_from(joints(entry.function), random_inputs(case, entry, draw)))
        for draw in draws
    )
    return Subject(gauge.call(case), samples, case.mode, entry.reference.implementation.call, _reloading(gauge))


def _reloading(gauge: Gauge) -> Callable[[], Call]:
    """Return what runs the implementation's file again as another module, with a state of its own."""
    file = gauge.entry.implementations[gauge.case.implementation].file

    def reload() -> Call:
        call: Call = load_module(file, copy="_again").IMPLEMENTATION.call
        return call

    return reload
