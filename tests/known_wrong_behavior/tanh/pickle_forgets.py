"""A module whose pickled state leaves its scale out, so that the constructor's stands."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gradgauge.model import Implementation

WRONG = True
RED = ("copies",)
GREY = ()
SAYS = "pickled, the value is"


class _Scaled:
    def __init__(self, scale: float = 2.0) -> None:
        self.scale = scale

    def __call__(self, x: Tensor) -> Tensor:
        return self.scale * x.tanh()

    def __deepcopy__(self, memo: dict[int, Any]) -> _Scaled:
        return _Scaled(self.scale)

    def __getstate__(self) -> dict[str, Any]:
        return {"scale": 2.0} if WRONG else {"scale": self.scale}  # the fault


IMPLEMENTATION = Implementation(call=_Scaled(1.0))
