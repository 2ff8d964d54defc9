"""torch.compile as the `compiled` mode uses it, and proof that compiled code really ran."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass

import torch
from torch import Tensor
from torch._dynamo.utils import counters

from gradgauge.calling import Call

OPTIONS = {"dynamic": False, "backend": "inductor"}
"""What `compiled` passes to torch.compile; recorded in run.json."""


NO_GRAPH = "torch.compile found no graph in it: nothing would run compiled"


def compile_call(call: Call) -> Call:
    """Return the call under torch.compile with the default backend and static shapes."""
    compiled: Call = torch.compile(call, dynamic=False)
    return compiled


def forget_compiled() -> None:
    """Drop all compiled code, so that a block neither meets the recompile limit nor another block's kernels."""
    torch._dynamo.reset()  # noqa: SLF001  (no public name does this and leaves the disk cache alone)


@contextmanager
def captured_anew() -> Iterator[None]:
    """Forget compiled code before and after, and let PyTorch's loggers be silent about what cannot be captured."""
    forget_compiled()
    counters.clear()
    quiet = [logging.getLogger(name) for name in ("torch._dynamo", "torch.fx", "torch._functorch")]
    levels = [logger.level for logger in quiet]
    for logger in quiet:
        logger.setLevel(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # export prints graphs that it gives up
            yield
    finally:
        for logger, level in zip(quiet, levels, strict=True):
            logger.setLevel(level)
        forget_compiled()


def cache_traffic() -> tuple[int, int]:
    """Return how many kernels inductor found in its disk cache since the counters were cleared, and how many not."""
    found = counters["inductor"]
    return int(found["fxgraph_cache_hit"]), int(found["fxgraph_cache_miss"])


@contextmanager
def no_recompile() -> Iterator[None]:
    """Make a recompilation raise within the block, where PyTorch would fall back to eager with a log line."""
    with torch.compiler.set_stance("fail_on_recompile"):
        yield


@dataclass(frozen=True)
class Compiled:
    """What compiling one call came to. graphs: compiled pieces; breaks: graph breaks between them."""

    graphs: int
    breaks: int
    backward: str

    @property
    def detail(self) -> str:
        """Return what ran eagerly in spite of the mode; empty where nothing did."""
        parts = [f"{self.breaks} graph break{'s' if self.breaks > 1 else ''}"] if self.breaks else []
        return "; ".join([*parts, *([self.backward] if self.backward else [])])


class Watch:
    """Counts graphs and breaks between its making and `compiled`; one at a time."""

    def __init__(self) -> None:
        counters.clear()

    def compiled(self, outputs: tuple[Tensor, ...] = ()) -> Compiled:
        """Return what was compiled since; outputs: of a call with a graph, to see whose backward it has."""
        graphs = int(counters["stats"]["unique_graphs"])
        # A branch on data breaks the graph without an entry among the breaks; a call in n pieces has n − 1 of them.
        breaks = max(int(sum(counters["graph_break"].values())), graphs - 1)
        return Compiled(graphs, breaks, eager_backward(outputs))


def eager_backward(outputs: tuple[Tensor, ...]) -> str:
    """Return what of the outputs' backward runs eagerly, in words; empty where nothing does."""
    names = {node.name() for node in graph_nodes(outputs)} - {"torch::autograd::AccumulateGrad"}
    compiled = {name for name in names if name.startswith("CompiledFunction")}
    if not names or names == compiled:
        return ""
    return "backward ran partly eagerly" if compiled else "backward ran eagerly"


def graph_nodes(outputs: tuple[Tensor, ...]) -> list[torch.autograd.graph.Node]:
    """Return every node of the autograd graph behind the outputs, each once."""
    waiting = [output.grad_fn for output in outputs if output.grad_fn is not None]
    seen: dict[torch.autograd.graph.Node, None] = {}
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen[node] = None
            waiting += [following for following, _ in node.next_functions if following is not None]
    return list(seen)
