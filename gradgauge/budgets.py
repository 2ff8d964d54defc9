"""How the seconds of a suite are shared among its blocks (no torch)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

UNBOUNDED_BLOCK_S = 3.0
"""What a block may spend where its suite has no budget."""


class Budgets:
    """The seconds of each suite. A block gets an even share of what is left; what it does not use, later ones get."""

    def __init__(self) -> None:
        self._left_s: dict[str, float | None] = {}
        self._waiting: dict[str, set[Hashable]] = {}

    def plan(self, suite: str, budget_s: float | None, blocks: Sequence[Hashable], left: Sequence[Hashable]) -> None:
        """Note a suite's budget for all its blocks, of which those in `left` are still to be measured."""
        whole, waiting = len(set(blocks)), set(left)
        self._left_s[suite] = None if budget_s is None else budget_s * len(waiting) / max(1, whole)
        self._waiting[suite] = waiting

    def share_s(self, suite: str, block: Hashable) -> float:
        """Return what the block may spend."""
        left_s = self._left_s[suite]
        if left_s is None:
            return UNBOUNDED_BLOCK_S
        return max(0.0, left_s) / len(self._waiting[suite] | {block})

    def spend(self, suite: str, block: Hashable, seconds: float) -> None:
        """Note that a block is measured, and what it took."""
        left_s = self._left_s[suite]
        self._left_s[suite] = None if left_s is None else left_s - seconds
        self._waiting[suite].discard(block)
