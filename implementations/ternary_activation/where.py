"""The article's formula literally: nested torch.where, differentiated by autograd."""

from __future__ import annotations

import torch
from torch import Tensor

from gradgauge.model import Implementation


def ternary_activation(x: Tensor) -> Tensor:
    """Return the staircase: −σ(−x − 5) below −5, 0.1 · x between −5 and 5, σ(x − 5) from 5 on.

    Shapes: x is (*), floating; the result keeps its shape, dtype and device.
    VJP: grad_x = grad_output · f′(x), by autograd, through all three branches. Saves two masks and two σ.
    Edges: x = −5 has gradient 0.1 and x = 5 has 0.25, each that of its branch; ±inf give ±1 with gradient 0; NaN stays
        NaN; none raise. Far out, where y = σ is nearly 1, autograd's (1 − y) · y cancels: the gradient, which is tiny
        there, loses its digits and then becomes 0 (in float32 by |x| = 30, in float64 by 45).
    Source: the article that this project starts from.
    """
    left = -torch.sigmoid(-x - 5)
    middle = 0.1 * x
    right = torch.sigmoid(x - 5)
    return torch.where(x < -5, left, torch.where(x < 5, middle, right))


IMPLEMENTATION = Implementation(call=ternary_activation, convention={"x = -5": 0.1, "x = 5": 0.25})
