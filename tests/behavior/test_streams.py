"""Neither can run without a GPU; here they must say so, and look no further."""

from __future__ import annotations

import pytest
import torch

from gradgauge.records import Verdict
from tests.behavior.trying import a_subject, tried


@pytest.mark.parametrize("name", ["side_stream", "cuda_graph"])
def test_on_a_cpu_there_is_no_stream_to_choose(name: str) -> None:
    called: list[torch.Tensor] = []
    found = tried(name, a_subject(called.append))
    assert (found.verdict, found.detail) == (Verdict.NOT_APPLICABLE, "no streams to choose from on cpu")
    assert called == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ["side_stream", "cuda_graph"])
def test_on_a_gpu_what_is_right_passes(name: str) -> None:
    subject = a_subject(torch.tanh)
    samples = tuple(tuple(tensor.cuda() for tensor in sample) for sample in subject.samples)
    found = tried(name, type(subject)(torch.tanh, samples))
    assert found.verdict == Verdict.PASS
