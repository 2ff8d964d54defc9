"""One step as a timeline draws it: regions behind, what ran in lanes, what is too short to see run together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from gradgauge.records import Drawn, Profile
from gradgauge.report.profiles import REGION
from gradgauge.traces import DEVICE, is_operator

MOST_LANES = 5
MOST_DEVICE_LANES = 3
GENERATED = "generated kernel"
_TOUCHING_S = 2e-9


@dataclass(frozen=True)
class Block:
    """What one lane shows for a while. works: it is an operator or a kernel, not what only calls one.

    count: how many spans it stands for; above one they are too short to be told apart, and have no name.
    """

    name: str
    lane: int
    start_s: float
    end_s: float
    works: bool
    count: int = 1


@dataclass(frozen=True)
class Timeline:
    """One step. regions: forward and backward. host, device: blocks in lanes from 0; seconds since the step began."""

    regions: tuple[Drawn, ...]
    host: tuple[Block, ...]
    device: tuple[Block, ...]

    @property
    def host_lanes(self) -> int:
        """Return how many lanes the host takes."""
        return max((block.lane + 1 for block in self.host), default=1)

    @property
    def device_lanes(self) -> int:
        """Return how many lanes the device takes; none where it is the host itself."""
        return max((block.lane + 1 for block in self.device), default=0)


def timeline_of(profile: Profile, least_s: float) -> Timeline:
    """Return a profile's timeline. least_s: what takes less than that is too short to see."""
    regions = tuple(span for span in profile.spans if span.kind == REGION and span.depth == 0)
    main = {region.track for region in regions}
    host = [span for span in profile.spans if span.kind != DEVICE and span not in regions]
    device = [span for span in profile.spans if span.kind == DEVICE]
    # On another thread than the regions', as an accelerator's backward is, nothing encloses the outermost span.
    wanted = ((span, span.depth - (span.track in main)) for span in host)
    return Timeline(
        regions,
        tuple(_merged(_laned(wanted, MOST_LANES), least_s)),
        tuple(_merged(_laned(((span, 0) for span in device), MOST_DEVICE_LANES), least_s)),
    )


def works(name: str) -> bool:
    """Return whether a host's span computes, rather than calls what does."""
    return is_operator(name) or name == GENERATED


def _laned(spans: Iterable[tuple[Drawn, int]], most: int) -> Iterator[Block]:
    """Yield a block for each span, in the lane that it wants or the next free one; none where there is none left."""
    free_from_s = [0.0] * most
    for span, wanted in sorted(spans, key=lambda pair: (pair[0].start_s, -pair[0].duration_s)):
        lane = max(0, wanted)
        while lane < most and free_from_s[lane] > span.start_s + _TOUCHING_S:
            lane += 1
        if lane < most:
            end_s = span.start_s + span.duration_s
            free_from_s[lane] = end_s
            yield Block(span.name, lane, span.start_s, end_s, span.kind == DEVICE or works(span.name))


def _merged(blocks: Iterable[Block], least_s: float) -> Iterator[Block]:
    """Yield the blocks, neighbours that are too short to see as one; what is too short even then is left out."""
    open_: dict[int, Block] = {}
    for block in blocks:
        if block.end_s - block.start_s >= least_s:
            yield block
            continue
        run = open_.get(block.lane)
        if run and block.start_s - run.end_s < least_s:
            open_[block.lane] = replace(
                run, name="", end_s=block.end_s, works=run.works and block.works, count=run.count + 1
            )
        else:
            if run and _is_seen(run, least_s):
                yield run
            open_[block.lane] = block
    yield from (run for run in open_.values() if _is_seen(run, least_s))


def _is_seen(run: Block, least_s: float) -> bool:
    return run.end_s - run.start_s >= least_s / 3
