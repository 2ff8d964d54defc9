"""Breaks the graph between its two operations."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

PLANTED = True
OWN = "graph_breaks"
TENSOR = 4 * 64 * 64
MOVES = {
    "compiled forward_backward graph_breaks": 1,
    "compiled forward_backward graph_break": 1,
    "compiled forward_backward generated_kernels": 1,  # one for each piece's forward; the sum's backward needs none
    # x² is written down between the pieces, and in the backward x's two gradients, which autograd's engine adds.
    "compiled inference allocations": 1,
    "compiled inference allocated_bytes": TENSOR,
    "compiled inference peak_bytes": TENSOR,
    "compiled forward allocations": 1,
    "compiled forward allocated_bytes": TENSOR,
    "compiled forward peak_bytes": TENSOR,
    "compiled backward allocations": 1,
    "compiled backward allocated_bytes": TENSOR,
    "compiled backward peak_bytes": TENSOR,
    "compiled backward operators": 1,
    "compiled forward_backward allocations": 2,
    "compiled forward_backward allocated_bytes": 2 * TENSOR,
    "compiled forward_backward peak_bytes": TENSOR,
    "compiled forward_backward operators": 1,
}


def call(x: Tensor) -> Tensor:
    square = x * x
    if PLANTED:
        torch._dynamo.graph_break()
    return square + x


IMPLEMENTATION = Implementation(call)
