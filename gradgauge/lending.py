"""Cotangents on loan: what a backward writes into one, nobody else may see."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat

import torch
from torch import Tensor

TRIAL_BATCHES = 3
"""After so many batches whose cotangents came back unchanged, a backward is taken not to write into them."""


class Lender:
    """Lends a subject its cotangents, so that nobody sees what its backward writes into them.

    The first batches get a clone for each call. If all come back as they were lent, the subject reads from then on what
    the others of its block read, too: where in memory a tensor happens to lie is worth several percent, and would be
    taken for a property of the code. Who was seen to write keeps getting clones, and so do calls that must be cold.
    """

    def __init__(self, grad_outputs: tuple[Tensor, ...], *, cold: bool) -> None:
        self._grad_outputs = grad_outputs
        self._lent: list[tuple[Tensor, ...]] = []
        self._trials = TRIAL_BATCHES
        self._is_trusted = not cold

    def lend(self, iterations: int) -> Iterable[tuple[Tensor, ...]]:
        """Return the cotangents of so many calls."""
        if self._is_trusted:
            self._is_trusted = all(map(self._is_intact, self._lent))
            self._trials -= 1
            if self._is_trusted and self._trials < 0:
                self._lent = []
                return repeat(self._grad_outputs, iterations)
        clones = [tuple(tensor.clone() for tensor in self._grad_outputs) for _ in range(iterations)]
        self._lent = list(clones) if self._is_trusted else []
        return clones

    def _is_intact(self, lent: tuple[Tensor, ...]) -> bool:
        return all(torch.equal(mine, theirs) for mine, theirs in zip(self._grad_outputs, lent, strict=True))
