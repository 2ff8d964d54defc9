"""What torch.compile makes of a call: kernels, graph breaks with their reasons, what is captured anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch._inductor.metrics as inductor_metrics
from torch import Tensor
from torch._dynamo.utils import counters, graph_break_reasons

from gradgauge.calling import Call
from gradgauge.compilation import Watch, captured_anew

CAPTURE_ALONE = "eager"
"""The backend that compiles nothing: what is captured, and when anew, is no matter of the code generated from it."""


@dataclass(frozen=True)
class Break:
    """A place where a graph breaks. line: `forward, masked_function.py:19`; empty where PyTorch tells none."""

    reason: str
    line: str


@dataclass(frozen=True)
class Made:
    """What compiling a call came to.

    graphs: pieces; breaks: between them. places: those that PyTorch gives a reason for, with how often each breaks.
    kernels: generated for all pieces and their backwards.
    """

    graphs: int
    breaks: int
    places: tuple[tuple[Break, int], ...]
    kernels: int


def watch_compiling(run: Callable[[], Any]) -> Made:
    """Return what compiling comes to while `run` calls compiled code for the first time."""
    inductor_metrics.reset()
    graph_break_reasons.clear()
    watch = Watch()
    run()
    compiled = watch.compiled()
    found = Counter(break_of(reason) for reason in graph_break_reasons if reason.graph_break)
    return Made(compiled.graphs, compiled.breaks, tuple(found.items()), inductor_metrics.generated_kernel_count)


def break_of(found: Any) -> Break:
    """Return what dynamo says of a graph break, with its explanation, and the innermost line of a user's code."""
    lines = [line.strip() for line in str(found.reason).splitlines() if line.strip()]
    why = next((line.removeprefix("Explanation: ") for line in lines if line.startswith("Explanation: ")), "")
    own = [frame for frame in found.user_stack if not _is_torch(frame.filename)]
    line = f"{own[-1].name}, {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    return Break(": ".join(filter(None, (lines[0] if lines else "", why))), line)


def _is_torch(file: str) -> bool:
    return Path(file).is_relative_to(Path(torch.__file__).parent)


def shapes_compiled_anew(call: Call, samples: Sequence[tuple[Tensor, ...]]) -> list[int]:
    """Return which of the samples, by index, make torch.compile capture something again, the first apart.

    As torch.compile does by itself: the first shape is taken as fixed, a second one makes sizes variable.
    """
    with captured_anew():
        compiled = torch.compile(call, backend=CAPTURE_ALONE)
        graphs = []
        for sample in samples:
            compiled(*sample)
            graphs.append(int(counters["stats"]["unique_graphs"]))
    return [index for index in range(1, len(graphs)) if graphs[index] > graphs[index - 1]]
