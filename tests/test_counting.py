from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread

import pytest
import torch
from torch import Tensor
from torch.library import custom_op
from torch.profiler import record_function

from gradgauge.counting import Counts, count_calls, count_flops, counts_of
from gradgauge.profiling import REGION

X = torch.ones(8)


@custom_op("gradgauge_test_counting::twice", mutates_args=())
def twice(x: Tensor) -> Tensor:
    return x + x


def named() -> None:
    with record_function("mine::part"), record_function("MulBackward0"):
        X.neg()


def in_a_thread() -> None:
    thread = Thread(target=X.neg)
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    ("action", "operators"),
    [
        (lambda: None, {}),
        (X.neg, {"aten::neg": 1}),
        (lambda: (X.neg(), X.neg(), X.exp()), {"aten::neg": 2, "aten::exp": 1}),
        (lambda: X.reshape(2, 4), {"aten::reshape": 1, "aten::view": 1}),  # what it calls counts, too
        (lambda: twice(X), {"gradgauge_test_counting::twice": 1, "aten::add": 1}),
        (named, {"aten::neg": 1}),
        (in_a_thread, {"aten::neg": 1}),
    ],
)
def test_operators_are_counted_by_name_with_those_that_they_call(
    action: Callable[[], object], operators: dict[str, int]
) -> None:
    assert count_calls(action, "cpu") == Counts(Counter(operators), Counter(), Counter())


def test_the_backwards_operators_count_and_its_nodes_do_not() -> None:
    x = torch.ones(8, requires_grad=True)
    y, grad_output = x.neg(), torch.ones(8)
    assert count_calls(lambda: torch.autograd.backward(y, grad_output), "cpu").operators == {
        "aten::neg": 1,
        "aten::detach": 1,
    }


# --- events of an accelerator ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    named: str
    starts: int
    lasts: int = 1

    def name(self) -> str:
        return self.named

    def start_ns(self) -> int:
        return self.starts

    def duration_ns(self) -> int:
        return self.lasts

    def activity_type(self) -> str:
        return "cpu_op" if self.named.startswith("aten::") else "cuda_runtime"


HOST_REGION = Event(REGION, 100, 100)
INSIDE = [
    Event("aten::mul", 100),
    Event("aten::mul", 120),
    Event("cudaLaunchKernel", 121),
    Event("cudaLaunchKernelExC", 130),
    Event("cuLaunchKernel", 131),
    Event("hipExtModuleLaunchKernel", 132),
    Event("void at::native::vectorized_elementwise_kernel<4>(int)", 133),
    Event("cudaMemcpyAsync", 140),
    Event("cudaStreamIsCapturing", 141),
    Event("cudaStreamWaitEvent", 142),  # the stream waits, not the host
    Event("cudaStreamSynchronize", 150),
    Event("cudaDeviceSynchronize", 151),
    Event("cudaEventSynchronize", 152),
    Event("hipStreamSynchronize", 200, 50),  # begins as the region ends
]
OUTSIDE = [
    Event("cudaDeviceSynchronize", 99),  # the profiler's own, before and behind
    Event("cudaDeviceSynchronize", 201),
    Event("cudaLaunchKernel", 99, 50),
    Event("cudaLaunchKernel", 300),
    Event("aten::mul", 50),
    Event("aten::mul", 250),
]
FOUND = Counts(
    operators=Counter({"aten::mul": 2}),
    kernels=Counter(["cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "hipExtModuleLaunchKernel"]),
    waits=Counter(["cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "hipStreamSynchronize"]),
)


@pytest.mark.parametrize("outside", [[], OUTSIDE], ids=["alone", "with events outside"])
def test_launches_and_waits_within_the_region_count_and_no_others(outside: list[Event]) -> None:
    assert counts_of([*outside, HOST_REGION, *INSIDE]) == FOUND


@pytest.mark.parametrize("first", [True, False])
def test_the_region_is_the_hosts_and_not_its_shadow_on_the_device(*, first: bool) -> None:
    device_region = Event(REGION, 160, 500)  # from its first kernel to its last
    events = [device_region, HOST_REGION] if first else [HOST_REGION, device_region]
    assert counts_of([*events, *INSIDE, *OUTSIDE]) == FOUND


# --- floating-point operations --------------------------------------------------------------------------------------


def multiply_and_differentiate(n: int) -> None:
    a, b = (torch.ones(n, n, requires_grad=True) for _ in range(2))
    torch.autograd.backward(torch.mm(a, b).sum())


@pytest.mark.parametrize(
    ("action", "flops"),
    [
        (lambda: torch.mm(torch.ones(16, 16), torch.ones(16, 16)), 2 * 16**3),
        (lambda: torch.mm(torch.ones(2, 3), torch.ones(3, 5)), 2 * 2 * 3 * 5),
        (lambda: multiply_and_differentiate(16), 3 * 2 * 16**3),  # each input's gradient is a product, too
        (lambda: X * X, 0),
    ],
)
def test_flops_are_those_of_products(action: Callable[[], object], flops: int) -> None:
    assert count_flops(action) == flops


def test_counting_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    count_flops(lambda: torch.mm(torch.ones(2, 2), torch.ones(2, 2)))
    count_calls(X.neg, "cpu")
    assert capfd.readouterr() == ("", "")
