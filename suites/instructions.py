"""How many instructions does a call of each implementation take?"""

from __future__ import annotations

from gradgauge.attempts import Failure
from gradgauge.cases import Case
from gradgauge.gauge import Gauge
from gradgauge.grid import Suite, Sweep, smallest
from gradgauge.instructions import CALLS, count_instructions, unavailable_reason
from gradgauge.records import Metric

INSTRUCTIONS = Metric(
    "instructions",
    "count",
    "lower",
    exact=False,
    help="Instructions that the processor runs in one forward and backward on one thread, Python's included, as "
    "callgrind counts them; some permille of it differ from process to process.",
)


SUITE = Suite(
    question=__doc__,
    metrics=(INSTRUCTIONS,),
    sweeps=dict.fromkeys(
        ("quick", "standard", "full"), (Sweep(("forward_backward",), modes=("eager",), pick=smallest),)
    ),
    order=50,
    by_name=True,
)


def test_instructions(gauge: Gauge) -> None:
    """File the count of one technique; all are counted together, in one process under callgrind."""
    case = gauge.case
    reason = unavailable_reason() if case.device == "cpu" else "instructions of the host tell little of a device"
    if reason:
        gauge.record(INSTRUCTIONS, None, "unavailable" if case.device == "cpu" else "not-applicable", reason)
        return

    def beat(other: Case) -> None:
        gauge.step("counting its instructions", other)

    planned = [each for each in gauge.session.planned[gauge.suite] if each.device == "cpu"]
    counted = gauge.once_per_run(gauge.suite, lambda: count_instructions(gauge.session.job, planned, beat))[case]
    if isinstance(counted, Failure):
        gauge.fail(INSTRUCTIONS, counted)
    else:
        gauge.record(INSTRUCTIONS, counted, "measured", f"mean of {CALLS} calls", samples=CALLS)
