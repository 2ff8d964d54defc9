"""What does each implementation keep for backward, and how high does its memory rise?"""

from __future__ import annotations

from gradgauge.attempts import Failure, attempt
from gradgauge.cases import PASSES
from gradgauge.gauge import Gauge
from gradgauge.grid import Suite, Sweep
from gradgauge.measuring import subject_of, warm_peak
from gradgauge.memory import saved_bytes
from gradgauge.records import Metric

SAVED = Metric(
    "saved_bytes",
    "byte",
    "lower",
    exact=True,
    help="Bytes kept between forward and backward, each storage counted once; inputs kept count too.",
)
PEAK = Metric(
    "peak_bytes",
    "byte",
    "lower",
    exact=True,
    help="How far allocated memory rises above where it stood before the pass; warm; the pass's own outputs count.",
)

SUITE = Suite(
    question=__doc__,
    metrics=(PEAK, SAVED),
    sweeps={
        "quick": (Sweep(PASSES),),
        "standard": (Sweep(PASSES),),
        "full": (Sweep(PASSES, dtypes=("float32", "bfloat16")),),
    },
    order=20,
    eager_first=True,
    until=0.8,
)


def test_memory(gauge: Gauge) -> None:
    """Measure the peak of every pass, and what `forward` saves."""
    case = gauge.case
    gauge.step("measuring its memory")
    subject = attempt("the reference", lambda: subject_of(gauge, case))
    if isinstance(subject, Failure):
        gauge.reference_failed(PEAK, subject)
        return
    peak = attempt(case.pass_, lambda: warm_peak(subject))
    if isinstance(peak, Failure):
        gauge.fail(PEAK, peak)
    else:
        gauge.record(PEAK, peak, "measured")
    if case.pass_ == "forward":
        saved = attempt("forward", lambda: saved_bytes(subject.call, subject.inputs))
        if isinstance(saved, Failure):
            gauge.fail(SAVED, saved)
        else:
            gauge.record(SAVED, saved, "measured")
