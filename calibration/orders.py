"""Pairs of techniques: which are clearly different in one run, and whether another run orders them alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from calibration.figures import Key

CLEAR = 1.10
"""Techniques whose medians differ by more than this factor are expected to keep their order."""


@dataclass(frozen=True)
class Pair:
    """Two techniques of one block. quiet, loaded: the slower one's cost over the faster one's; slower in the quiet run.

    Above 1 the order holds.
    """

    block: Key
    faster: str
    slower: str
    quiet: float
    loaded: float

    @property
    def changed(self) -> bool:
        """Whether the faster one is not faster any more; a tie is a change."""
        return not self.loaded > 1


@dataclass(frozen=True)
class Orders:
    """How two runs order the techniques of each block.

    compared: pairs with a figure for both in both runs. missing: pairs without. clear: the pairs, of those compared,
    that differ clearly in the quiet run.
    """

    compared: int
    missing: int
    clear: tuple[Pair, ...]

    @property
    def changed(self) -> tuple[Pair, ...]:
        """Return the clear pairs that change order."""
        return tuple(pair for pair in self.clear if pair.changed)


def compare_orders(
    quiet: Mapping[Key, float | None], loaded: Mapping[Key, float | None], clear: float = CLEAR
) -> Orders:
    """Return how the two runs order every pair of techniques that either of them knows of.

    quiet, loaded: what a call costs (less is faster), None where there is no figure.
    """
    compared, missing, pairs = 0, 0, []
    for keys in _blocks([*quiet, *loaded]).values():
        for one, other in combinations(keys, 2):
            costs = [run.get(key) for run in (quiet, loaded) for key in (one, other)]
            known = [cost for cost in costs if cost is not None]
            if len(known) < len(costs):
                missing += 1
                continue
            compared += 1
            pair = _pair((one, known[0], known[2]), (other, known[1], known[3]))
            if pair.quiet > clear:
                pairs.append(pair)
    return Orders(compared, missing, tuple(pairs))


def _blocks(keys: list[Key]) -> dict[Key, list[Key]]:
    blocks: dict[Key, list[Key]] = defaultdict(list)
    for key in dict.fromkeys(keys):
        blocks[key.block].append(key)
    return blocks


def _pair(one: tuple[Key, float, float], other: tuple[Key, float, float]) -> Pair:
    faster, slower = sorted((one, other), key=lambda measured: measured[1])
    techniques = faster[0].case.technique, slower[0].case.technique
    return Pair(one[0].block, *techniques, slower[1] / faster[1], slower[2] / faster[2])
