"""Where does the time of a forward and a backward go?"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from torch import Tensor

from gradgauge.attempts import Failure, attempt
from gradgauge.calling import outputs_of
from gradgauge.cases import Case
from gradgauge.gauge import Gauge
from gradgauge.grid import Suite, Sweep
from gradgauge.measuring import subject_of, warm_pass
from gradgauge.passes import Subject, clear_gradients
from gradgauge.profiling import STEPS, WARM_UP_STEPS, trace_steps
from gradgauge.records import Drawn, Metric, Profile
from gradgauge.traces import (
    DEVICE,
    HOST,
    IN_NO_OPERATOR,
    Taken,
    Trace,
    busy_share,
    drawn_depth,
    is_drawn,
    kind_of,
    stacks,
    taken,
)

UNDER_PROFILER = "under the profiler, which takes time itself"
TIME = Metric(
    "profiled_time",
    "s",
    None,
    exact=False,
    help="Seconds that an operator or a kernel takes in one forward and backward, without what it calls; "
    f"{UNDER_PROFILER}.",
)
CALLS = Metric("profiled_calls", "count", None, exact=False, help="How often it is called in one forward and backward.")
STEP = Metric("profiled_step", "s", None, exact=False, help=f"Mean of one forward and backward, {UNDER_PROFILER}.")
BUSY = Metric(
    "profiled_busy",
    "ratio",
    None,
    exact=False,
    help=f"Share of a step in which an operator runs on the host, or a kernel on the device; {UNDER_PROFILER}.",
)

LEAST_SHARE = 1e-3
"""Of a step: what takes less is told as one figure, and neither drawn nor kept as a stack."""
OTHERS = "others"
DEEPEST = 40


def largest(shapes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the last shape that the preset times: there the work shows, not what calling costs."""
    return shapes[-1:]


SUITE = Suite(
    question=__doc__,
    metrics=(STEP, TIME, CALLS, BUSY),
    sweeps=dict.fromkeys(("quick", "standard", "full"), (Sweep(("forward_backward",), pick=largest),)),
    order=60,
    timed=True,
    apart=True,
)


def test_profile(gauge: Gauge) -> None:
    """Trace one technique, and file what its trace says."""
    case = gauge.case
    gauge.step("profiling it")
    subject = attempt("the reference", lambda: subject_of(gauge, case))
    if isinstance(subject, Failure):
        gauge.reference_failed(STEP, subject)
        return
    folder = gauge.traces / case.slug
    file = attempt(case.pass_, lambda: _trace(subject, folder))
    if isinstance(file, Failure):
        shutil.rmtree(folder, ignore_errors=True)  # half a trace would be shown as a run
        gauge.fail(STEP, file)
        return
    trace = Trace.read(file)
    gauge.record(STEP, trace.step_s, "measured", UNDER_PROFILER, samples=STEPS)
    _file_taken(gauge, trace)
    for where in (HOST, DEVICE):
        share = busy_share(trace, where)
        if share is not None:
            gauge.record(BUSY, share, "measured", UNDER_PROFILER, samples=STEPS, labels={"on": where})
    gauge.profile(_profile_of(case, trace, file))


def _trace(subject: Subject, folder: Path) -> Path:
    warm_pass(subject)
    # A backward may write into its cotangents, so each gets its own, made before the profiler looks.
    lent = [tuple(grad.clone() for grad in subject.grad_outputs) for _ in range(WARM_UP_STEPS + STEPS)]

    def forward() -> tuple[Tensor, ...]:
        return outputs_of(subject.call(*subject.inputs))

    def backward(outputs: tuple[Tensor, ...]) -> None:
        pairs = [pair for pair in zip(outputs, lent.pop(), strict=True) if pair[0].requires_grad]
        torch.autograd.backward([output for output, _ in pairs], [grad for _, grad in pairs])
        clear_gradients(subject.inputs)

    clear_gradients(subject.inputs)
    return trace_steps(forward, backward, subject.case, folder)


def _file_taken(gauge: Gauge, trace: Trace) -> None:
    """File what each operator takes; those that take next to nothing as one."""
    least_s = LEAST_SHARE * trace.step_s
    for where in (HOST, DEVICE):
        found = [each for each in taken(trace) if each.where == where]
        small = [each for each in found if each.self_s < least_s and each.name != IN_NO_OPERATOR]
        if small:
            seconds, calls = sum(each.self_s for each in small), sum(each.calls for each in small)
            found = [each for each in found if each not in small] + [Taken(OTHERS, where, seconds, calls)]
        for each in found:
            labels = {"operator": each.name, "on": where}
            gauge.record(TIME, each.self_s, "measured", UNDER_PROFILER, labels=labels, samples=STEPS)
            if each.name != IN_NO_OPERATOR:
                gauge.record(CALLS, each.calls, "measured", labels=labels, samples=STEPS)


def _profile_of(case: Case, trace: Trace, file: Path) -> Profile:
    """Return what the report draws: the spans of one typical step, and the stacks of all."""
    step, least_s = trace.typical, LEAST_SHARE * trace.step_s
    shown = [span for span in trace.within(step) if span.duration_s >= least_s and is_drawn(span)]
    tracks = {name: number for number, name in enumerate(dict.fromkeys(span.track for span in shown), 1)}
    spans = tuple(
        Drawn(
            span.name.removeprefix(f"{case.slug} "),
            kind_of(span),
            tracks[span.track],
            drawn_depth(span),
            span.start_s - step.start_s,
            span.duration_s,
        )
        for span in shown
    )
    kept = tuple((stack[:DEEPEST], seconds) for stack, seconds in stacks(trace) if seconds >= least_s)
    return Profile(case, f"traces/{case.slug}/{file.name}", step.duration_s, spans, kept)
