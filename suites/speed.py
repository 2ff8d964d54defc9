"""How fast is each implementation, pass by pass?"""

from __future__ import annotations

from pytest_benchmark.fixture import BenchmarkFixture

from gradgauge.attempts import Failure, attempt
from gradgauge.cases import PASSES, REFERENCE, Case
from gradgauge.gauge import Gauge
from gradgauge.grid import Suite, Sweep
from gradgauge.measuring import file_control, file_rounds, subjects_of, timing_companions
from gradgauge.records import Metric
from gradgauge.rounds import Samples
from gradgauge.sampling import Block, measure_block
from gradgauge.statistics import Estimate, estimate_median, estimate_ratio
from gradgauge.timing import TimingProtocol
from gradgauge.traffic import moved_bytes

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
MOVED = Metric(
    "moved_bytes",
    "byte",
    None,
    exact=True,
    help="Bytes that the pass must move by the function's definition: each input read once, each result written once.",
)
BANDWIDTH = Metric(
    "bandwidth",
    "byte/s",
    "higher",
    exact=False,
    help="The bytes that the pass must move, over its median time.",
)
ROOF = Metric(
    "roof_fraction",
    "ratio",
    "higher",
    exact=False,
    help="Time of a copy that moves as many bytes, taken in the same turns, over this one's; 1 is as fast as copying.",
)

SUITE = Suite(
    question=__doc__,
    metrics=(TIME, SPEEDUP, MOVED, BANDWIDTH, ROOF),
    sweeps={
        "quick": (Sweep(PASSES),),
        "standard": (Sweep(PASSES),),
        "full": (Sweep(PASSES, dtypes=("float32", "bfloat16")),),
    },
    order=30,
    budget_s={"quick": 9.0, "standard": 85.0},
    with_reference=True,
    timed=True,
)


def test_speed(gauge: Gauge, benchmark: BenchmarkFixture) -> None:
    """File this case's share of its block: the block is measured as a whole when its first case runs."""
    case = gauge.case
    benchmark.skipped = True  # until there are rounds to file
    protocols = gauge.timing.protocols_for(case.pass_, case.device)
    if not protocols:
        asked = f"{', '.join(gauge.timing.protocols)} graphs with a {', '.join(gauge.timing.caches)} cache"
        gauge.record(TIME, None, "not-applicable", f"{case.pass_} on {case.device} cannot be timed on {asked}")
        return
    ready = gauge.once_per_block("ready", lambda: attempt("the reference", lambda: subjects_of(gauge, protocols[0])))
    if isinstance(ready, Failure):
        gauge.reference_failed(TIME, ready)
        return
    block = gauge.once_per_block("block", lambda: _measure(gauge))
    gauge.record(MOVED, _moved(gauge), "measured")
    for protocol in protocols:
        outcome = block.subjects[case, protocol]
        if isinstance(outcome, Failure):
            gauge.fail(TIME, outcome, labels=protocol.labels)
        else:
            file_rounds(gauge, benchmark, outcome, protocol)
            _file_times(gauge, block, protocol, outcome)


def _measure(gauge: Gauge) -> Block:
    """Measure the block of the gauge's case, all its protocols together, and file how the control fared."""
    subjects = [subject for protocol in _protocols(gauge) for subject in subjects_of(gauge, protocol)]
    block = measure_block(
        subjects,
        gauge.block_budget_s(),
        lambda other, doing: gauge.step(doing, other),
        precision=gauge.timing.precision,
        companions=timing_companions(gauge, _protocols(gauge), _moved(gauge)),
    )
    gauge.spend(block.spent)
    file_control(gauge, block)
    return block


def _protocols(gauge: Gauge) -> tuple[TimingProtocol, ...]:
    return gauge.timing.protocols_for(gauge.case.pass_, gauge.case.device)


def _moved(gauge: Gauge) -> int:
    return moved_bytes(subjects_of(gauge, _protocols(gauge)[0])[0], gauge.entry.function.backward_read_indices)


def _file_times(gauge: Gauge, block: Block, protocol: TimingProtocol, samples: Samples) -> None:
    time = estimate_median(samples.kept_s)
    _file(gauge, TIME, time, protocol, (samples,), samples.detail)
    reference = next((key for key in block.subjects if _is_reference(key[0]) and key[1] == protocol), None)
    _file_ratio(gauge, SPEEDUP, block.subjects[reference] if reference else None, samples, protocol)
    moved = _moved(gauge)
    if not moved:
        for metric in (BANDWIDTH, ROOF):
            gauge.record(metric, None, "not-applicable", "there is nothing to move", labels=protocol.labels)
        return
    rate = Estimate(moved / time.value, _over(moved, time.high), _over(moved, time.low), time.samples)
    _file(gauge, BANDWIDTH, rate, protocol, (samples,))
    _file_ratio(gauge, ROOF, block.companions[protocol.clock, protocol.cache], samples, protocol)


def _is_reference(case: Case) -> bool:
    return (case.implementation, case.mode) == (REFERENCE, "eager")


def _file_ratio(
    gauge: Gauge, metric: Metric, other: Samples | Failure | None, samples: Samples, protocol: TimingProtocol
) -> None:
    if not isinstance(other, Samples):
        why = f": {other.detail}" if other else ""
        detail = f"there is no time to compare with{why}"
        gauge.record(metric, None, "not-applicable", detail, labels=protocol.labels)
        return
    ratio = estimate_ratio(other.rounds_s, samples.rounds_s, other.disturbed | samples.disturbed)
    _file(gauge, metric, ratio, protocol, (samples, other))


def _file(
    gauge: Gauge,
    metric: Metric,
    estimate: Estimate,
    protocol: TimingProtocol,
    rests_on: tuple[Samples, ...],
    detail: str = "",
) -> None:
    """File a figure; it is noisy where a time that it rests on is."""
    precise = all(estimate_median(samples.kept_s).is_within(gauge.timing.precision) for samples in rests_on)
    bounds = {"low": estimate.low, "high": estimate.high, "samples": estimate.samples}
    verdict = "measured" if precise else "noisy"
    gauge.record(metric, estimate.value, verdict, detail, labels=protocol.labels, **bounds)


def _over(moved: int, seconds: float | None) -> float | None:
    return moved / seconds if seconds else None
