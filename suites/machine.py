"""What can this machine do at best, and what does measuring itself cost?"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from pytest_benchmark.fixture import BenchmarkFixture

from gradgauge.attempts import Failure
from gradgauge.cases import PASSES, Case
from gradgauge.clocks import Clock, clock_for
from gradgauge.gauge import Gauge
from gradgauge.grid import Suite, Workload
from gradgauge.measuring import CONTROL, control_companion, file_control, file_rounds
from gradgauge.passes import Pass
from gradgauge.records import Metric
from gradgauge.rounds import Samples
from gradgauge.sampling import Block, measure_block
from gradgauge.statistics import Estimate, estimate_difference, estimate_median
from gradgauge.timing import TimingProtocol
from gradgauge.workloads import CUSTOM, NATIVE, work_of, workload_pass

BANDWIDTH = Metric(
    "peak_bandwidth",
    "byte/s",
    "higher",
    exact=False,
    help="Bytes read and written a second: `copy` and `sigmoid` into a given tensor, `clone` into a new one.",
)
FLOPS = Metric(
    "peak_flops",
    "flop/s",
    "higher",
    exact=False,
    help="Floating-point operations a second in a product of square matrices, PyTorch's settings as they are.",
)
OVERHEAD = Metric(
    "overhead",
    "s",
    "lower",
    exact=False,
    help="Seconds a call that the harness itself takes: an implementation that returns its input, not differentiated.",
)

FUNCTION = Metric(
    "function_overhead",
    "s",
    "lower",
    exact=False,
    help="Seconds a call that a torch.autograd.Function takes longer than PyTorch's own operator doing the same work, "
    "on one element.",
)

CACHED = {"cpu": "65536", "": "1048576"}
IN_MEMORY = {"cpu": "33554432", "": "134217728"}
SQUARE = {"cpu": "1024x1024", "": "4096x4096"}

SUITE = Suite(
    question=__doc__,
    metrics=(BANDWIDTH, FLOPS, OVERHEAD, FUNCTION),
    sweeps={},
    order=25,
    budget_s={"quick": 1.0, "standard": 4.0},
    timed=True,
    workloads=(
        *(Workload(name, shape) for shape in (CACHED, IN_MEMORY) for name in ("copy", "clone", "sigmoid")),
        Workload("matmul", SQUARE),
        *(Workload(name, {"": "1"}, pass_) for pass_ in PASSES for name in ("empty", CUSTOM)),
    ),
)


def test_machine(gauge: Gauge, benchmark: BenchmarkFixture) -> None:
    """Time one workload, those of the same shape in turns."""
    case = gauge.case
    benchmark.skipped = True  # until there are rounds to file
    metric = {"matmul": FLOPS, "empty": OVERHEAD, CUSTOM: FUNCTION}.get(case.implementation, BANDWIDTH)
    block = gauge.once_per_block("block", lambda: _measure(gauge))
    outcome = block.companions[case]
    if isinstance(outcome, Failure):
        gauge.fail(metric, outcome)
        return
    protocol = _protocol(case)
    file_rounds(gauge, benchmark, outcome, protocol)
    time = estimate_median(outcome.kept_s)
    estimate = _estimate(block, case, time, outcome)
    verdict = "measured" if estimate.is_within(gauge.timing.precision) else "noisy"
    bounds = {"low": estimate.low, "high": estimate.high, "samples": estimate.samples}
    gauge.record(metric, estimate.value, verdict, outcome.detail, labels=protocol.labels, **bounds)


def _estimate(block: Block, case: Case, time: Estimate, samples: Samples) -> Estimate:
    if case.implementation == "empty":
        return time
    if case.implementation != CUSTOM:
        return _rate(work_of(case), time)
    native = block.companions[_native_of(case)]
    assert isinstance(native, Samples), f"negation failed: {native}"
    return estimate_difference(samples.rounds_s, native.rounds_s, samples.disturbed | native.disturbed)


def _native_of(case: Case) -> Case:
    """Return the workload that a custom Function is compared with."""
    return replace(case, implementation=NATIVE)


def _protocol(case: Case) -> TimingProtocol:
    # What the harness costs is the host's time on any device.
    wall = case.device == "cpu" or case.implementation in ("empty", CUSTOM, NATIVE)
    return TimingProtocol("wall" if wall else "device")


def _measure(gauge: Gauge) -> Block:
    gauge.step("measuring what the machine can do")
    companions: dict[Hashable, tuple[Pass, Clock]] = {CONTROL: control_companion(gauge.case.device)}
    for case in gauge.block():
        for each in (case, _native_of(case)) if case.implementation == CUSTOM else (case,):
            companions[each] = workload_pass(each), clock_for(_protocol(each), each.device)
    block = measure_block(
        [], gauge.block_budget_s(), lambda *_: None, precision=gauge.timing.precision, companions=companions
    )
    gauge.spend(block.spent)
    file_control(gauge, block)
    return block


def _rate(work: float, time: Estimate) -> Estimate:
    low, high = (work / bound if bound else None for bound in (time.high, time.low))
    return Estimate(work / time.value, low, high, time.samples)
