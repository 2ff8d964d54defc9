"""What the suites share: subjects built once a block, warm peaks, rounds handed to pytest-benchmark."""

from __future__ import annotations

from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from gradgauge.calling import outputs_of
from gradgauge.cases import Case
from gradgauge.gauge import Gauge
from gradgauge.inputs import as_leaf, cotangents, generator_for, random_inputs
from gradgauge.memory import peak_bytes
from gradgauge.passes import Subject, pass_of
from gradgauge.sampling import Samples


def subjects_of(gauge: Gauge) -> list[Subject]:
    """Return the subjects of the case's block, all on the same input tensors and the same cotangents."""
    return [subject_of(gauge, case) for case in gauge.block()]


def subject_of(gauge: Gauge, case: Case) -> Subject:
    """Return one case of the gauge's block, ready to run."""
    inputs, grad_outputs = gauge.once_per_block("tensors", lambda: _tensors(gauge, case))
    return Subject(case, gauge.call(case), inputs, grad_outputs)


def _tensors(gauge: Gauge, case: Case) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    inputs = tuple(as_leaf(tensor, case) for tensor in random_inputs(case, gauge.entry, gauge.seed))
    outputs = outputs_of(gauge.entry.reference.implementation.call(*inputs))
    drawn = cotangents(outputs, generator_for(case, gauge.seed, "cotangents"))
    return inputs, tuple(tensor.to(case.device) for tensor in drawn)


def warm_peak(subject: Subject) -> int:
    """Return the peak bytes of the subject's pass, after two calls whose compiling and caching would count."""
    pass_ = pass_of(subject)
    for _ in range(2):
        pass_.run(pass_.prepare(1))
    batch = pass_.prepare(1)
    return peak_bytes(lambda: pass_.run(batch), subject.case.device)


def file_rounds(gauge: Gauge, benchmark: BenchmarkFixture, samples: Samples) -> None:
    """Make the rounds an ordinary entry of pytest-benchmark, and tell it to the journal.

    Leans on `BenchmarkFixture._make_stats`, `._mode` and `Metadata.update/as_dict` of pytest-benchmark 5; a contract
    test pins them.
    """
    case = gauge.case
    benchmark.group = case.block.slug
    benchmark.param, benchmark.params = case.slug, None
    benchmark.extra_info.update({"suite": gauge.suite, **case.to_json(), "iterations": samples.iterations})
    benchmark._mode = "gradgauge"  # noqa: SLF001  (or it warns that the fixture was not used)
    stats: Any = benchmark._make_stats(samples.iterations)  # noqa: SLF001
    for seconds in samples.rounds_s:
        stats.update(seconds * samples.iterations)
    gauge.session.say("benchmark", entry=stats.as_dict(include_data=True))
