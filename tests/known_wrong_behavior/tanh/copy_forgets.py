"""A callable object whose copies forget its parameter."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("copies",)
GREY = ()
SAYS = "copied by deepcopy, the value is"


class _Scaled:
    def __init__(self, scale: float = 2.0) -> None:
        self.scale = scale

    def __call__(self, x: Tensor) -> Tensor:
        return self.scale * x.tanh()

    def __reduce__(self) -> tuple[Any, ...]:
        return _Scaled, () if WRONG else (self.scale,)  # the fault


IMPLEMENTATION = Implementation(call=_Scaled(1.0))
