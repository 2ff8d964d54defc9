"""A pass whose call is captured once in a CUDA graph and then replayed: no launch from Python, no launch gaps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from gradgauge.attempts import Unsupported
from gradgauge.loading import first_line
from gradgauge.passes import WARM_UP_CALLS, Pass, Subject, pass_of


def replayed(subject: Subject) -> Pass:
    """Return the subject's pass with one call of it captured; every iteration replays that call.

    The capture runs on leaves of its own, over the same memory, because autograd remembers on which stream a leaf was
    first used. Raises Unsupported with PyTorch's message where the call cannot be captured.
    Source: PyTorch's notes on CUDA graphs (warm-up on a side stream, then capture).
    """
    leaves = tuple(tensor.detach().requires_grad_() for tensor in subject.inputs)
    pass_ = pass_of(replace(subject, inputs=leaves, copies=()))
    side = torch.cuda.Stream(subject.case.device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(subject.case.device))
    with torch.cuda.stream(side):
        for _ in range(WARM_UP_CALLS):
            pass_.call()
        _refuse_waiting(pass_)
    torch.cuda.synchronize(subject.case.device)
    try:
        return Pass(range, _replaying(*_capture(pass_, side, subject.case.pass_)), most_iterations=1_000)
    except RuntimeError as error:
        raise Unsupported(f"CUDA graph: {first_line(error)}") from error


def _capture(pass_: Pass, side: torch.cuda.Stream, name: str) -> tuple[torch.cuda.CUDAGraph, ...]:
    """Return the graph to replay, and after it whatever must live as long.

    A backward reads what its forward saved. That is captured, too, in the same pool: nobody else gets its memory then,
    though autograd frees it as the backward runs.
    """
    graph = torch.cuda.CUDAGraph()
    if name != "backward":
        batch = pass_.prepare(1)
        with pass_.mode(), torch.cuda.graph(graph, stream=side):
            pass_.run(batch)
        return (graph,)
    pool, forward = torch.cuda.graph_pool_handle(), torch.cuda.CUDAGraph()
    with torch.cuda.graph(forward, pool=pool, stream=side):
        batch = pass_.prepare(1)
    with torch.cuda.graph(graph, pool=pool, stream=side):
        pass_.run(batch)
    forward.replay()  # a capture computes nothing: now what it saved has values
    return graph, forward


def _refuse_waiting(pass_: Pass) -> None:
    # Found before the capture: one that fails midway leaves CUDA's random generator unusable.
    batch = pass_.prepare(1)
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        with pass_.mode():
            pass_.run(batch)
    except RuntimeError as error:
        raise Unsupported(f"CUDA graph: {first_line(error)}") from error
    finally:
        torch.cuda.set_sync_debug_mode(mode)


def _replaying(graph: torch.cuda.CUDAGraph, *kept: torch.cuda.CUDAGraph) -> Callable[[range], None]:
    def run(batch: range, _kept: tuple[torch.cuda.CUDAGraph, ...] = kept) -> None:
        for _ in batch:
            graph.replay()

    return run
