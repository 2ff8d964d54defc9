"""CUDA graphs without CUDA: what is captured, on what, and what is refused, told by fakes of PyTorch's names."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge.attempts import Failure, Unsupported, attempt
from gradgauge.passes import WARM_UP_CALLS, Subject
from gradgauge.records import Verdict
from gradgauge.replays import replayed
from gradgauge.timing import TimingProtocol
from tests.fakes import a_case


class Cuda:
    """What the fakes were asked for, in order; `waits` stands for a call that asks the device for a result."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.graphs: list[weakref.ref[FakeGraph]] = []
        self.sync_mode = "default"
        self.capturing_fails = ""
        names: dict[str, Any] = {
            "Stream": lambda device: self,
            "current_stream": lambda device: "current",
            "stream": self.on_stream,
            "synchronize": lambda device: self.log.append("synchronize"),
            "get_sync_debug_mode": lambda: self.sync_mode,
            "set_sync_debug_mode": self.set_mode,
            "CUDAGraph": lambda: FakeGraph(self),
            "graph": self.capturing,
            "graph_pool_handle": lambda: "pool",
        }
        for name, fake in names.items():
            monkeypatch.setattr(torch.cuda, name, fake)

    def wait_stream(self, stream: str) -> None:
        self.log.append(f"wait for {stream}")

    @contextmanager
    def on_stream(self, _: Any) -> Iterator[None]:
        self.log.append("side stream")
        yield
        self.log.append("back")

    def set_mode(self, mode: str) -> None:
        self.sync_mode = mode

    @contextmanager
    def capturing(self, graph: Any, *, stream: Any, pool: str = "its own") -> Iterator[None]:
        assert stream is self
        self.log.append(f"capture {pool}")
        self.graphs.append(weakref.ref(graph))
        yield
        if self.capturing_fails:
            raise RuntimeError(self.capturing_fails)
        self.log.append("captured")


class FakeGraph:
    """Notes its replays."""

    def __init__(self, cuda: Cuda) -> None:
        self.cuda = cuda

    def replay(self) -> None:
        self.cuda.log.append("replay")


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    return Cuda(monkeypatch)


def a_subject(cuda: Cuda, pass_: str = "backward", *, waits: bool = False) -> Subject:
    def call(x: Tensor) -> Tensor:
        cuda.log.append("call")
        if waits and cuda.sync_mode == "error":
            raise RuntimeError("called a synchronizing CUDA operation")
        return 2 * x

    x = torch.ones(3, requires_grad=True)
    protocol = TimingProtocol("device", backward="fresh", replayed=True)
    return Subject(a_case(pass_=pass_, device="cuda:0"), call, (x,), (torch.ones(3),), protocol)


def test_the_call_is_warmed_up_on_a_side_stream_and_captured_once(cuda: Cuda) -> None:
    replayed(a_subject(cuda, "forward"))
    warmed = ["wait for current", "side stream", *["call"] * WARM_UP_CALLS, "call", "back", "synchronize"]
    assert cuda.log == [*warmed, "capture its own", "call", "captured"]
    assert cuda.sync_mode == "default"


def test_of_a_backward_pass_the_backward_alone_is_replayed_and_its_forward_keeps_its_memory(cuda: Cuda) -> None:
    pass_ = replayed(a_subject(cuda))
    after = cuda.log[cuda.log.index("capture pool") :]
    assert after == ["capture pool", "call", "captured", "capture pool", "captured", "replay"]
    gc.collect()
    assert all(graph() is not None for graph in cuda.graphs)  # what a replay reads is given to nobody else
    del pass_
    gc.collect()
    assert all(graph() is None for graph in cuda.graphs)


def test_every_iteration_replays_and_no_python_of_the_call_runs(cuda: Cuda) -> None:
    pass_ = replayed(a_subject(cuda))
    cuda.log.clear()
    pass_.run(pass_.prepare(4))
    assert cuda.log == ["replay"] * 4


def test_the_leaves_are_others_over_the_same_memory(cuda: Cuda) -> None:
    seen: list[Tensor] = []
    subject = a_subject(cuda, "forward")
    call = subject.call

    def spying(x: Tensor) -> Any:
        seen.append(x)
        return call(x)

    replayed(Subject(subject.case, spying, subject.inputs, subject.grad_outputs, subject.protocol))
    assert all(leaf is not subject.inputs[0] for leaf in seen)
    assert {leaf.data_ptr() for leaf in seen} == {subject.inputs[0].data_ptr()}
    assert all(leaf.requires_grad and leaf.is_leaf for leaf in seen)


def test_a_call_that_waits_for_the_device_is_refused_before_any_capture(cuda: Cuda) -> None:
    with pytest.raises(Unsupported, match="CUDA graph: RuntimeError: called a synchronizing CUDA operation"):
        replayed(a_subject(cuda, "forward", waits=True))
    assert not [line for line in cuda.log if line.startswith("capture")]
    assert cuda.sync_mode == "default"


def test_a_capture_that_fails_is_unsupported_with_pytorchs_own_words(cuda: Cuda) -> None:
    cuda.capturing_fails = "operation not permitted when stream is capturing\nand more"
    outcome = attempt("forward warm-up", lambda: replayed(a_subject(cuda, "forward")))
    detail = "CUDA graph: RuntimeError: operation not permitted when stream is capturing"
    assert outcome == Failure(Verdict.UNSUPPORTED, detail)
