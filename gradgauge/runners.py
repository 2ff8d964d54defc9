"""A subject warmed up and ready for its rounds, or a companion of one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch

from gradgauge.attempts import Failure, Wrong
from gradgauge.calling import outputs_of
from gradgauge.cases import Case
from gradgauge.clocks import Clock
from gradgauge.compilation import NO_GRAPH, Compiled, Watch, eager_backward
from gradgauge.passes import WARM_UP_CALLS, Pass, Subject, pass_of
from gradgauge.records import Verdict
from gradgauge.replays import replayed
from gradgauge.rounds import Samples, remarks
from gradgauge.timing import TimingProtocol

Key = Hashable
"""What a block knows a runner by: `Subject.key`, or whatever its caller calls a companion."""


@dataclass
class Runner:
    """A pass with the clock that times it, and the rounds taken so far. case: None for a companion."""

    key: Key
    name: str
    case: Case | None
    pass_: Pass
    clock: Clock
    detail: str = ""
    group: Hashable = None
    iterations: int = 1
    each_s: float = 0.0
    rounds_s: list[float] = field(default_factory=list)
    taken_s: list[float] = field(default_factory=list)
    throttled: set[int] = field(default_factory=set)
    gapped: set[int] = field(default_factory=set)
    waits: bool = False

    @property
    def most_iterations(self) -> int:
        """Return how many calls a round may have; the clock may come to know better."""
        return min(self.pass_.most_iterations, self.clock.most_iterations)

    def samples(self) -> Samples:
        """Return the rounds taken so far."""
        found = Samples(
            self.iterations,
            tuple(self.rounds_s),
            throttled=frozenset(self.throttled),
            gapped=frozenset(self.gapped),
            taken_s=tuple(self.taken_s),
        )
        return replace(found, detail="; ".join(filter(None, [self.detail, *remarks(found, waits=self.waits)])))


def warm_up(
    subject: Subject, clock_for: Callable[[TimingProtocol, str], Clock], compiled: dict[Case, Compiled]
) -> Runner | Failure:
    """Return the subject ready for its rounds. compiled: what is known of calls that another protocol compiled."""
    case, protocol = subject.case, subject.protocol
    watch = Watch() if case.mode == "compiled" and case not in compiled else None
    pass_ = pass_of(subject)
    try:
        with same_threads():
            for _ in range(WARM_UP_CALLS):
                pass_.call()
    finally:
        if watch:  # whatever came of it: the next protocol finds the call compiled already
            compiled[case] = watch.compiled()
    detail = ""
    if case in compiled:
        if not compiled[case].graphs:
            return Failure(Verdict.UNSUPPORTED, NO_GRAPH)
        outputs = () if case.pass_ == "inference" else outputs_of(subject.call(*subject.inputs))
        detail = replace(compiled[case], backward=eager_backward(outputs)).detail
    if protocol.replayed:
        pass_ = replayed(subject)
    return Runner(
        subject.key,
        case.pass_,
        case,
        pass_,
        clock_for(protocol, case.device),
        detail=detail,
        group=protocol,
    )


@contextmanager
def same_threads() -> Iterator[None]:
    """Raise Wrong where what runs within changes the number of PyTorch's threads, and put it back in any case."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        changed = torch.get_num_threads()
        torch.set_num_threads(threads)
    if changed != threads:
        raise Wrong(f"changes the number of threads for everybody, from {threads} to {changed}")


def start(key: Key, pass_: Pass, clock: Clock) -> Runner:
    """Return a companion ready for its rounds."""
    for _ in range(WARM_UP_CALLS):
        pass_.call()
    return Runner(key, "companion", None, pass_, clock)
