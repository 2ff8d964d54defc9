"""What a suite's test is given: the case's function and call, its block, and a place to file results."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch

from gradgauge.attempts import Failure
from gradgauge.calling import Call
from gradgauge.cases import REFERENCE, Case
from gradgauge.catalog import FunctionEntry
from gradgauge.compilation import compile_call, forget_compiled
from gradgauge.model import Implementation
from gradgauge.records import Metric, Profile, Record, Reproduction, Result, Series, Verdict
from gradgauge.rounds import Spent
from gradgauge.session import Session
from gradgauge.timing import Timing

T = TypeVar("T")


class BlockMemory:
    """What the cases of one block share: compiled calls, inputs, truths, samples; forgotten when the next begins."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._key: tuple[str, Case] | None = None
        self._values: dict[str, Any] = {}

    def _key_of(self, suite: str, case: Case) -> tuple[str, Case]:
        # Where a clock is read, each pass gets code compiled for it alone; elsewhere the passes share it.
        return suite, case.block if self._session.suites[suite].timed else case.tensors

    def holds(self, suite: str, case: Case) -> bool:
        """Whether the case's block has begun."""
        return self._key == self._key_of(suite, case)

    def once(self, suite: str, case: Case, name: str, build: Callable[[], T]) -> T:
        """Return what `build` returned the first time that the case's block asked for `name`."""
        key = self._key_of(suite, case)
        if self._key != key:
            self._forget()
            self._key = key
        if name not in self._values:
            self._values[name] = build()
        value: T = self._values[name]
        return value

    def _forget(self) -> None:
        if self._key is None:
            # What was imported by now stays: without this every collection walks all of torch, a quarter of a second.
            gc.freeze()
        self._values.clear()
        torch.set_num_threads(self._session.threads)  # whatever the calls of an earlier block left
        forget_compiled()
        gc.collect()
        if torch.accelerator.is_available():
            torch.accelerator.empty_cache()


class Gauge:
    """A suite's access to the engine for one case."""

    def __init__(self, session: Session, suite: str, case: Case, memory: BlockMemory) -> None:
        self.session, self.suite, self.case = session, suite, case
        self.results: list[Result] = []
        self._memory = memory

    @property
    def seed(self) -> int:
        """Return the run's seed."""
        return self.session.job.seed

    @property
    def timing(self) -> Timing:
        """Return how the user wants cases timed."""
        return self.session.job.timing

    @property
    def entry(self) -> FunctionEntry:
        """Return the case's function."""
        return self.session.entry(self.case)

    def implementation(self, case: Case) -> Implementation:
        """Return what a case of this block runs."""
        return self.entry.implementations[case.implementation].implementation

    def call(self, case: Case) -> Call:
        """Return the case's call, under torch.compile in `compiled` mode; the same object all through a block."""
        call = self.implementation(case).call
        if case.mode == "eager":
            return call
        return self.once_per_block(f"compiled {case.implementation}", lambda: compile_call(call))

    def block(self) -> list[Case]:
        """Return the cases that this one is compared with, itself included."""
        return self.session.block(self.suite, self.case)

    def block_budget_s(self) -> float:
        """Return the seconds that this block may spend on rounds: its even share of what the suite has left."""
        share = self.session.budgets.share_s(self.suite, self.case.block)
        remaining = self.session.remaining_s(self.suite)
        return share if remaining is None else max(0.0, min(share, remaining))

    def spend(self, spent: Spent) -> None:
        """Tell where the seconds of this block went; what it did not use is left to later blocks."""
        self.session.budgets.spend(self.suite, self.case.block, spent.timed_s + spent.prepared_s + spent.companions_s)
        self.session.say("spent", suite=self.suite, seconds=asdict(spent))

    def once_per_block(self, name: str, build: Callable[[], T]) -> T:
        """Return what `build` returned the first time that this block asked for `name`."""
        return self._memory.once(self.suite, self.case, name, build)

    def once_per_run(self, name: str, build: Callable[[], T]) -> T:
        """Return what `build` returned the first time that anybody asked for `name` in this process."""
        if name not in self.session.kept:
            self.session.kept[name] = build()
        value: T = self.session.kept[name]
        return value

    def step(self, doing: str, case: Case | None = None) -> None:
        """Tell which case is in hand from now on; a death or a timeout is charged to it."""
        self.session.step(self.suite, case or self.case, doing)

    def record(self, metric: Metric, value: float | None, verdict: str, detail: str = "", **rest: Any) -> None:
        """File one value of one metric for this case; rest: low, high, samples, labels."""
        self.results.append(
            Record(self.suite, self.case, metric.name, value, metric.unit, Verdict(verdict), detail, **rest)
        )

    def fail(self, metric: Metric, failure: Failure, **rest: Any) -> None:
        """File why there is no value."""
        self.record(metric, None, failure.verdict, failure.detail, **rest)

    def reference_failed(self, metric: Metric, failure: Failure) -> None:
        """File that the reference gave no truth, or no tensors, for this block.

        One case of the block answers for it with the failure; the others are not applicable, and so are all where the
        user chose the shape, which the function may rightly refuse.
        """
        block = self.block()
        answering = next((case for case in block if case.implementation == REFERENCE), block[0])
        if self.case == answering and not self.session.job.selection.shapes:
            self.fail(metric, failure)
        else:
            self.record(metric, None, Verdict.NOT_APPLICABLE, failure.detail)

    def series(
        self, name: str, x: list[float], y: list[float], x_unit: str = "", y_unit: str = "", case: Case | None = None
    ) -> None:
        """File a curve, of this case unless another is named."""
        self.results.append(Series(case or self.case, name, tuple(x), tuple(y), x_unit, y_unit))

    def profile(self, found: Profile) -> None:
        """File what the profiler saw of this case."""
        self.results.append(found)

    def reproduction(self, found: Reproduction) -> None:
        """File how to see a fault of this case."""
        self.results.append(found)

    @property
    def traces(self) -> Path:
        """Return the folder for the profiler's traces: the run's, or a temporary one where nothing is filed."""
        folder = self.session.folder
        return folder.traces if folder else Path(tempfile.mkdtemp(prefix="gradgauge-traces-"))

    @property
    def failures(self) -> list[Record]:
        """Return the records that make the run fail."""
        return [result for result in self.results if isinstance(result, Record) and result.verdict.is_failure]
