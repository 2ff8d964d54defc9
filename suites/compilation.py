"""How long does compiling take, and after how many calls has it paid?"""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from gradgauge.attempts import Failure, attempt
from gradgauge.cases import Case
from gradgauge.compile_times import CompileTimes, compile_times
from gradgauge.gauge import Gauge
from gradgauge.grid import Suite, Sweep
from gradgauge.measuring import subject_of
from gradgauge.records import Metric
from gradgauge.rounds import Samples
from gradgauge.sampling import Block, measure_block
from gradgauge.statistics import Estimate, estimate_difference
from gradgauge.timing import usual_protocol

COMPILE = Metric(
    "compile_time",
    "s",
    "lower",
    exact=False,
    help="Seconds that the first forward and backward take longer than the second, with an empty (cold) cache and with "
    "one that holds the code (warm), in a process of its own whose compiler was started before; medians of three.",
)
PAYBACK = Metric(
    "payback",
    "count",
    "lower",
    exact=False,
    help="Calls of forward and backward after which the compile time is repaid against the same code run eagerly; the "
    "interval is that of the times a call.",
)


def both_ends(shapes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the first and the last shape that the preset times: what compiling saves a call hangs on the size."""
    return tuple(dict.fromkeys((shapes[0], shapes[-1])))


SUITE = Suite(
    question=__doc__,
    metrics=(COMPILE, PAYBACK),
    sweeps=dict.fromkeys(
        ("quick", "standard", "full"), (Sweep(("forward_backward",), modes=("compiled",), pick=both_ends),)
    ),
    order=35,
    budget_s={"quick": 9.0, "standard": 60.0},
    timed=True,
    by_name=True,
)


def test_compilation(gauge: Gauge) -> None:
    """File how long one technique takes to compile, and after how many calls that is repaid."""
    case = gauge.case

    def beat(other: Case) -> None:
        gauge.step("compiling it in a process of its own", other)

    ready = gauge.once_per_block("ready", lambda: attempt("the reference", lambda: subject_of(gauge, case)))
    if isinstance(ready, Failure):
        gauge.reference_failed(COMPILE, ready)
        return
    found = gauge.once_per_block("compiled", lambda: compile_times(gauge.session.job, gauge.block(), beat))[case]
    if isinstance(found, Failure):
        gauge.fail(COMPILE, found)
        return
    once = f"besides {found.start_s:.3g} s once a process, to start the compiler"
    times = _times_of(found)
    for cache, compile_s in times.items():
        gauge.record(COMPILE, compile_s, "measured", once, labels={"cache": cache}, samples=len(found.cold_s))
    block = gauge.once_per_block("block", lambda: _measure(gauge))
    for cache, compile_s in times.items():
        _file_payback(gauge, cache, compile_s, block)


def _times_of(found: CompileTimes) -> dict[str, float]:
    return {"cold": median(found.cold_s), "warm": median(found.warm_s)}


def _eager(case: Case) -> Case:
    return replace(case, mode="eager")


def _measure(gauge: Gauge) -> Block:
    """Measure every technique of the block in both modes, in turns."""
    protocol = usual_protocol(gauge.case.pass_, gauge.case.device)
    subjects = [subject_of(gauge, each, protocol) for case in gauge.block() for each in (_eager(case), case)]
    block = measure_block(
        subjects,
        gauge.block_budget_s(),
        lambda other, doing: gauge.step(doing, other),
        precision=gauge.timing.precision,
    )
    gauge.spend(block.spent)
    return block


def _file_payback(gauge: Gauge, cache: str, compile_s: float, block: Block) -> None:
    protocol = usual_protocol(gauge.case.pass_, gauge.case.device)
    eager, compiled = (block.subjects[case, protocol] for case in (_eager(gauge.case), gauge.case))
    labels = {"cache": cache}
    for samples in (eager, compiled):
        if isinstance(samples, Failure):
            gauge.fail(PAYBACK, samples, labels=labels)
            return
    assert isinstance(eager, Samples)
    assert isinstance(compiled, Samples)
    saved = estimate_difference(eager.rounds_s, compiled.rounds_s, eager.disturbed | compiled.disturbed)
    told = f"eager {median(eager.kept_s) * 1e6:.4g} µs, compiled {median(compiled.kept_s) * 1e6:.4g} µs a call"
    if saved.low is None or saved.low <= 0:
        gauge.record(PAYBACK, None, "not-applicable", f"never seen to pay: {told}", labels=labels)
        return
    repaid = Estimate(
        compile_s / saved.value, compile_s / (saved.high or saved.value), compile_s / saved.low, saved.samples
    )
    verdict = "measured" if saved.is_within(gauge.timing.precision) else "noisy"
    bounds = {"low": repaid.low, "high": repaid.high, "samples": repaid.samples}
    gauge.record(PAYBACK, repaid.value, verdict, told, labels=labels, **bounds)
