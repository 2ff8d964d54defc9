"""What the tests of the behaviours lean on: a subject of a plain call, and the verdict on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from gradgauge.attempts import Failure
from gradgauge.behavior.subject import SAMPLES, Subject
from gradgauge.behavior.table import BEHAVIORS, try_behavior
from gradgauge.calling import Call


def a_subject(
    call: Callable[..., Any],
    *shapes: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
    mode: str = "eager",
    reference: Call | None = None,
    reload: Callable[[], Call] | None = None,
) -> Subject:
    """Return a call of one 3×4 input, or of inputs of these shapes, with random ones."""
    generator = torch.Generator().manual_seed(0)
    samples = tuple(
        tuple(torch.randn(shape, generator=generator).to(dtype) for shape in shapes or ((3, 4),))
        for _ in range(SAMPLES)
    )
    return Subject(call, samples, mode, reference, reload)


def tried(name: str, subject: Subject) -> Failure:
    """Return the verdict on one behaviour."""
    (behavior,) = (each for each in BEHAVIORS if each.name == name)
    return try_behavior(behavior, subject)
