"""The rounds of one case, which of them count, and what is to be said of the others (no torch)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

THROTTLED = 0.75
"""Below this share of its highest frequency a core is throttled. Source: nvbench's throttle threshold."""

WAITS_FOR_DEVICE = "waits for the device inside the call, so launch gaps are part of its time"


@dataclass(frozen=True)
class Samples:
    """The rounds of one case. rounds_s: seconds a call, one entry a round; iterations: calls in a round.

    Round i of every case of a block was taken in the same turn. detail: what ran otherwise than the mode says.
    throttled, gapped: the rounds, by index, in which the device's core ran slow, and in which it ran out of work.
    taken_s: when each round was taken, by `time.monotonic`.
    """

    iterations: int
    rounds_s: tuple[float, ...]
    detail: str = ""
    throttled: frozenset[int] = frozenset()
    gapped: frozenset[int] = frozenset()
    taken_s: tuple[float, ...] = ()

    @property
    def disturbed(self) -> frozenset[int]:
        """Return the rounds that are left out: the throttled and the gapped ones, unless most are such."""
        either = self.throttled | self.gapped
        return either if 2 * len(either) < len(self.rounds_s) else frozenset()

    @property
    def kept_s(self) -> tuple[float, ...]:
        """Return the rounds that count."""
        disturbed = self.disturbed
        return tuple(seconds for index, seconds in enumerate(self.rounds_s) if index not in disturbed)


@dataclass
class Spent:
    """Where the seconds of a block went.

    prepared_s: into graphs, cotangents and flushes. companions_s: into rounds of what is timed besides the subjects.
    warm_up_s: compilation included.
    """

    timed_s: float = 0.0
    prepared_s: float = 0.0
    companions_s: float = 0.0
    warm_up_s: float = 0.0
    calibration_s: float = 0.0


def remarks(found: Samples, *, waits: bool) -> Iterator[str]:
    """Yield what a reader should know of the rounds. waits: whether the call waits for the device itself."""
    rounds = len(found.rounds_s)
    fate = "left out" if found.disturbed else "kept, as most are disturbed"
    if found.throttled:
        yield f"{len(found.throttled)} of {rounds} rounds at an SM clock below {THROTTLED:.0%} of the highest, {fate}"
    if waits:
        yield WAITS_FOR_DEVICE
    elif found.gapped:
        yield f"{len(found.gapped)} of {rounds} rounds in which the device ran out of work, {fate}"
