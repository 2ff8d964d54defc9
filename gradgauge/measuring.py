"""What the suites share: subjects built once a block, warm passes, rounds handed to pytest-benchmark."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from statistics import median
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from gradgauge.calling import outputs_of
from gradgauge.cases import Case
from gradgauge.clocks import Clock, clock_for
from gradgauge.gauge import Gauge
from gradgauge.inputs import as_leaf, cotangents, generator_for, random_inputs
from gradgauge.passes import BATCH_BYTES, Inputs, Pass, Subject, pass_of
from gradgauge.repeating import repeatable
from gradgauge.rounds import Samples
from gradgauge.sampling import Block
from gradgauge.timing import USUAL, TimingProtocol, usual_protocol
from gradgauge.workloads import MOST_COPIES, control_pass, control_shape, copy_pass

CONTROL = "control"
POINTS = 12


def subjects_of(gauge: Gauge, protocol: TimingProtocol = USUAL) -> list[Subject]:
    """Return the subjects of the case's block, all on the same input tensors and the same cotangents."""
    return [subject_of(gauge, case, protocol) for case in gauge.block()]


def subject_of(gauge: Gauge, case: Case, protocol: TimingProtocol = USUAL) -> Subject:
    """Return one case of the gauge's block, ready to run.

    Where a CPU's cache must not hold what a call reads, each call gets inputs of its own; an accelerator's cache is
    flushed before each call instead.
    """
    inputs, grad_outputs = gauge.once_per_block("tensors", lambda: _tensors(gauge, case))
    copies: tuple[Inputs, ...] = ()
    if protocol.cache == "cold" and case.device == "cpu":
        copies = gauge.once_per_block("copies", lambda: _copies(inputs, case))
    return Subject(case, gauge.call(case), inputs, grad_outputs, protocol, copies)


def _copies(inputs: Inputs, case: Case) -> tuple[Inputs, ...]:
    each = sum(tensor.numel() * tensor.element_size() for tensor in inputs)
    count = max(1, min(MOST_COPIES, BATCH_BYTES // max(1, each)))
    return tuple(tuple(as_leaf(tensor.detach(), case) for tensor in inputs) for _ in range(count))


def _tensors(gauge: Gauge, case: Case) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    inputs = tuple(as_leaf(tensor, case) for tensor in random_inputs(case, gauge.entry, gauge.seed))
    outputs = outputs_of(gauge.entry.reference.implementation.call(*inputs))
    drawn = cotangents(outputs, generator_for(case, gauge.seed, "cotangents"))
    return inputs, tuple(tensor.to(case.device) for tensor in drawn)


def warm_pass(subject: Subject) -> Pass:
    """Return the subject's pass after two calls, whose compiling and caching would count otherwise."""
    pass_ = pass_of(subject)
    with repeatable(subject.case.mode):  # what compiles itself would do so anew for another number of threads
        for _ in range(2):
            pass_.call()
    return pass_


def prepared(pass_: Pass, mode: str) -> Callable[[], None]:
    """Return one run of the pass, the same in every process, for which all is built but what is looked at."""
    with repeatable(mode):
        batch = pass_.prepare(1)

    def run() -> None:
        with repeatable(mode), pass_.mode():
            pass_.run(batch)

    return run


def timing_companions(
    gauge: Gauge, protocols: tuple[TimingProtocol, ...], moved: int
) -> dict[Hashable, tuple[Pass, Clock]]:
    """Return what is timed in turns with a block: the control, and a copy of as many bytes by each clock and cache."""
    device = gauge.case.device
    companions: dict[Hashable, tuple[Pass, Clock]] = {CONTROL: control_companion(device)}
    for protocol in protocols:
        key = protocol.clock, protocol.cache
        if key not in companions:
            copying = copy_pass(moved, device, cold=protocol.cache == "cold" and device == "cpu")
            companions[key] = copying, clock_for(protocol, device)
    return companions


def control_companion(device: str) -> tuple[Pass, Clock]:
    """Return the control with a clock of its own, to be timed in turns with a block."""
    return control_pass(device), clock_for(usual_protocol("", device), device)


def file_control(gauge: Gauge, block: Block) -> None:
    """File how the control fared while the block was measured: up to POINTS medians of neighbouring rounds."""
    control = block.companions[CONTROL]
    if not isinstance(control, Samples) or not control.rounds_s:
        return
    device = gauge.case.device
    bins = [list(chunk) for chunk in _split(list(zip(control.taken_s, control.rounds_s, strict=True)), POINTS)]
    began = gauge.session.began - gauge.session.job.spent_s  # earlier workers of the same run come first
    x = [median(taken for taken, _ in points) - began for points in bins]
    y = [median(seconds for _, seconds in points) for points in bins]
    case = Case("", CONTROL, "", "", device, "float32", control_shape(device), "")
    gauge.series(CONTROL, x, y, "s", "s", case)


def _split(points: list[tuple[float, float]], most: int) -> list[list[tuple[float, float]]]:
    size = -(-len(points) // most)
    return [points[start : start + size] for start in range(0, len(points), size)]


def file_rounds(gauge: Gauge, benchmark: BenchmarkFixture, samples: Samples, protocol: TimingProtocol) -> None:
    """Make the rounds an ordinary entry of pytest-benchmark, and tell it to the journal.

    Leans on `BenchmarkFixture._make_stats`, `._mode` and `Metadata.update/as_dict` of pytest-benchmark 5; a contract
    test pins them. A case that is timed under several protocols gets an entry for each.
    """
    case = gauge.case
    usual = not case.function or protocol == usual_protocol(case.pass_, case.device)
    suffix = "" if usual else f" {' '.join(protocol.labels.values())}"
    benchmark.name = f"{benchmark.name.partition('[')[0]}[{case.slug}{suffix}]"
    benchmark.group = case.block.slug + suffix
    benchmark.param, benchmark.params = case.slug + suffix, None
    benchmark.extra_info = {
        "suite": gauge.suite,
        **case.to_json(),
        "labels": protocol.labels,
        "iterations": samples.iterations,
        "throttled_rounds": sorted(samples.throttled),
        "gapped_rounds": sorted(samples.gapped),
    }
    benchmark._mode = "gradgauge"  # noqa: SLF001  (or it warns that the fixture was not used)
    stats: Any = benchmark._make_stats(samples.iterations)  # noqa: SLF001
    for seconds in samples.rounds_s:
        stats.update(seconds * samples.iterations)
    gauge.session.say("benchmark", entry=stats.as_dict(include_data=True))
