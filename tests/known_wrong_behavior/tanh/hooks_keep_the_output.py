"""What is saved passes through hooks that pack nothing: the output holds itself, and no version is looked at."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("in_place_change", "released")
GREY = ("fullgraph", "func_grad", "vmap_grad")
SAYS = "its output stays in memory when nobody holds it any more"


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if WRONG:
        with torch.autograd.graph.save_on_cpu():  # the fault: on a CPU it packs a tensor as itself
            return x.tanh()
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
