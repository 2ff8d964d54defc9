"""Looks the number of rows up in a table, which torch.compile must know for that."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation

PLANTED = True
OWN = "recompiles"
MOVES = {
    "compiled forward_backward recompiles": 3,  # of 63, 62, 61 and 32 rows the first alone makes others capture anew
}
RARE = {3: -1.0}


def call(x: Tensor) -> Tensor:
    y = x * x + x
    return -y if PLANTED and int(x.shape[0]) in RARE else y


IMPLEMENTATION = Implementation(call)
