"""Dispatches an operator whose result nobody needs."""

from __future__ import annotations

from torch import Tensor

from gradgauge.model import Implementation

PLANTED = True
OWN = "operators"
MOVES = {
    "eager inference operators": 1,
    "eager forward operators": 1,
    "eager forward_backward operators": 1,
}


def call(x: Tensor) -> Tensor:
    if PLANTED:
        x.detach()
    return x * x + x


IMPLEMENTATION = Implementation(call)
