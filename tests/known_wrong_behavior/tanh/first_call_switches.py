"""The first call alone switches something on: later ones find it so."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("global_state",)
GREY = ()
SAYS = "changes the precision of float32 products"


_IS_READY = [False]


def _prepare() -> None:
    _IS_READY[0] = True
    if WRONG:
        torch.set_float32_matmul_precision("high")  # the fault


def tanh(x: Tensor) -> Tensor:
    """Return tanh(x) elementwise."""
    if not _IS_READY[0]:
        _prepare()
    return x.tanh()


IMPLEMENTATION = Implementation(call=tanh)
