"""How fast is each implementation, pass by pass?"""

from __future__ import annotations

from pytest_benchmark.fixture import BenchmarkFixture

from gradgauge.attempts import Failure, attempt
from gradgauge.cases import PASSES, REFERENCE, Case
from gradgauge.clocks import WallClock
from gradgauge.gauge import Gauge
from gradgauge.grid import Suite, Sweep
from gradgauge.measuring import file_rounds, subjects_of
from gradgauge.records import Metric
from gradgauge.sampling import Samples, measure_block
from gradgauge.statistics import estimate_median

TIME = Metric(
    "time",
    "s",
    "lower",
    exact=False,
    help="Median seconds a call, freeing its outputs included; the interval is that of the median over rounds.",
)
SPEEDUP = Metric(
    "speedup",
    "ratio",
    "higher",
    exact=False,
    help="Time of the reference in eager mode over this one's, from rounds taken in turns; above 1 is faster.",
)

SUITE = Suite(
    question=__doc__,
    metrics=(TIME, SPEEDUP),
    sweeps={
        "quick": (Sweep(PASSES),),
        "standard": (Sweep(PASSES),),
        "full": (Sweep(PASSES, dtypes=("float32", "bfloat16")),),
    },
    order=30,
    budget_s={"quick": 9.0, "standard": 80.0},
    with_reference=True,
    timed=True,
)


def test_speed(gauge: Gauge, benchmark: BenchmarkFixture) -> None:
    """File this case's share of its block: the block is measured as a whole when its first case runs."""
    case = gauge.case
    benchmark.skipped = True  # until there are rounds to file
    subjects = gauge.once_per_block("subjects", lambda: attempt("the reference", lambda: subjects_of(gauge)))
    if isinstance(subjects, Failure):
        gauge.reference_failed(TIME, subjects)
        return
    outcomes = gauge.once_per_block(
        "samples",
        lambda: measure_block(
            subjects, gauge.block_budget_s(), WallClock(case.device), lambda other, doing: gauge.step(doing, other)
        ),
    )
    outcome = outcomes[case]
    if isinstance(outcome, Failure):
        gauge.fail(TIME, outcome)
        return
    file_rounds(gauge, benchmark, outcome)
    time = estimate_median(outcome.rounds_s)
    gauge.record(TIME, time.value, "measured", outcome.detail, low=time.low, high=time.high, samples=time.samples)
    _file_speedup(gauge, outcome, outcomes)


def _file_speedup(gauge: Gauge, samples: Samples, outcomes: dict[Case, Samples | Failure]) -> None:
    reference = next(
        (found for other, found in outcomes.items() if other.implementation == REFERENCE and other.mode == "eager"),
        None,
    )
    if not isinstance(reference, Samples):
        gauge.record(SPEEDUP, None, "not-applicable", "the reference has no time to compare with")
        return
    paired = zip(reference.rounds_s, samples.rounds_s, strict=False)
    ratio = estimate_median([theirs / ours for theirs, ours in paired])
    gauge.record(SPEEDUP, ratio.value, "measured", low=ratio.low, high=ratio.high, samples=ratio.samples)
