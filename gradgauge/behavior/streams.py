"""On an accelerator: a stream of one's own, and a CUDA graph."""

from __future__ import annotations

import torch

from gradgauge.attempts import NotApplicable
from gradgauge.behavior.subject import Run, Subject, expect_same_run, may_refuse, rounding_tolerance
from gradgauge.calling import gradients_of, outputs_of

BUSY_CYCLES = 20_000_000
"""How long a stream is kept busy before it writes the inputs: some 10 ms."""


def _need_cuda(subject: Subject) -> None:
    if subject.device.type != "cuda":
        raise NotApplicable(f"no streams to choose from on {subject.device.type}")


def side_stream(subject: Subject) -> str:
    """Run on the stream that the caller made current: a kernel sent elsewhere reads inputs that are not written yet."""
    _need_cuda(subject)
    right = subject.run()
    stream = torch.cuda.Stream(subject.device)  # type: ignore[no-untyped-call]
    blank = tuple(torch.zeros_like(tensor) for tensor in subject.samples[0])
    torch.cuda.synchronize(subject.device)
    with torch.cuda.stream(stream):
        torch.cuda._sleep(BUSY_CYCLES)  # type: ignore[no-untyped-call]  # noqa: SLF001  (PyTorch's own tests use it)
        for tensor, sample in zip(blank, subject.samples[0], strict=True):
            tensor.copy_(sample)
        inputs = tuple(tensor.requires_grad_() for tensor in blank)
        values = outputs_of(subject.call(*inputs))
        gradients = gradients_of(values, inputs, subject.directions(values), may_be_disconnected=True)
    torch.cuda.synchronize(subject.device)
    found = Run(tuple(value.detach() for value in values), gradients)
    expect_same_run(found, right, rounding_tolerance(subject.dtype), "on a side stream, ")
    return ""


def cuda_graph(subject: Subject) -> str:
    """Be captured as a CUDA graph, forward and backward, and give right results when the graph is replayed."""
    _need_cuda(subject)
    inputs = subject.leaves()
    values = outputs_of(subject.call(*inputs))
    grads = subject.directions(values)
    graph = torch.cuda.CUDAGraph()
    stream = torch.cuda.Stream(subject.device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(subject.device))
    with torch.cuda.stream(stream):
        for _ in range(3):
            subject.run()
    torch.cuda.current_stream(subject.device).wait_stream(stream)
    with may_refuse("capture of a CUDA graph"), torch.cuda.graph(graph):
        values = outputs_of(subject.call(*inputs))
        gradients = gradients_of(values, inputs, grads, may_be_disconnected=True)
    for number in (1, 0):
        with torch.no_grad():
            for tensor, sample in zip(inputs, subject.samples[number], strict=True):
                tensor.copy_(sample)
        graph.replay()
        torch.cuda.synchronize(subject.device)
        found = Run(tuple(value.detach() for value in values), tuple(gradient.detach() for gradient in gradients))
        expect_same_run(found, subject.run(sample=number), rounding_tolerance(subject.dtype), "replayed, ")
    return ""
