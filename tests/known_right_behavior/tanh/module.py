"""The call is an instance of a module."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation

GREY = ()


class Tanh(torch.nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.tanh()


IMPLEMENTATION = Implementation(call=Tanh())
