from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge import allocations as subject
from gradgauge.allocations import Allocations, allocations

pytestmark = pytest.mark.usefixtures("frozen")

N = 2**16
"""Elements, of float32: a tensor of them takes 4 N bytes."""


def in_turns(x: Tensor) -> None:
    for _ in range(5):
        x.neg()


@pytest.mark.parametrize(
    ("action", "found"),
    [
        (lambda x: x.neg(), Allocations(peak_bytes=4 * N, count=1, total_bytes=4 * N, kept=(4 * N,))),
        (lambda x: (x.neg(), x.exp()), Allocations(8 * N, 2, 8 * N, (4 * N, 4 * N))),
        (
            lambda x: x.neg().exp(),
            Allocations(8 * N, 2, 8 * N, (4 * N,)),
        ),  # the first is freed when the second is there
        (lambda x: x.neg()[:1].clone(), Allocations(4 * N + 4, 2, 4 * N + 4, (4,))),
        (lambda x: x.neg()[:1], Allocations(4 * N, 1, 4 * N, (4 * N,))),  # a view keeps the whole
        (lambda x: (x.gt(x), x.neg()), Allocations(5 * N, 2, 5 * N, (N, 4 * N))),
        (lambda x: x.gt(x), Allocations(N, 1, N, (N,))),
        (lambda x: x.double(), Allocations(8 * N, 1, 8 * N, (8 * N,))),
        (in_turns, Allocations(4 * N, 5, 20 * N, ())),
        (lambda x: x.neg_(), Allocations(0, 0, 0, ())),
        (lambda x: x[::2], Allocations(0, 0, 0, ())),
        (lambda x: None, Allocations(0, 0, 0, ())),
    ],
)
def test_what_is_allocated_is_what_was_counted_by_hand(action: Callable[[Tensor], Any], found: Allocations) -> None:
    x = torch.ones(N)
    assert allocations(lambda: action(x), "cpu") == found


def test_what_was_there_before_and_is_freed_does_not_count() -> None:
    x, blocks = torch.ones(1000), list[Tensor]()

    def allocate() -> None:
        blocks.extend(torch.empty(1000) for _ in range(50))

    def free() -> Tensor:
        blocks.clear()
        return x.neg()

    allocations(allocate, "cpu")
    blocks.clear()  # unseen by the profiler, which takes what gets the same addresses for these
    allocate()
    assert allocations(free, "cpu") == Allocations(peak_bytes=4000, count=1, total_bytes=4000, kept=(4000,))


def test_a_number_is_a_tensor_on_its_way_and_counts() -> None:
    found = allocations(lambda: torch.ones(N).mul(2), "cpu")
    assert found.kept == (4 * N,)
    assert 0 < found.total_bytes - 8 * N < 64


def test_what_depends_on_data_repeats_exactly_on_the_same_data() -> None:
    x = torch.randn(2**12)
    found = {allocations(lambda: x[x > 0] * 2, "cpu") for _ in range(4)}
    assert len(found) == 1
    assert found.pop().kept == (4 * int((x > 0).sum()),)


@pytest.fixture
def _uncollected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_uncollected")
def in_a_cycle() -> weakref.ref[Tensor]:
    """Leave a tensor as garbage that nothing but a collection frees."""
    tensor, cycle = torch.ones(N), list[Any]()
    cycle += [cycle, tensor]
    return weakref.ref(tensor)


def test_garbage_of_earlier_calls_changes_nothing_that_is_counted() -> None:
    x = torch.ones(N)
    clean = allocations(x.neg, "cpu")
    left = [in_a_cycle() for _ in range(3)]
    assert allocations(x.neg, "cpu") == clean

    def freeing() -> Tensor:
        gc.collect()
        assert not any(garbage() for garbage in left)
        return x.neg()

    left.append(in_a_cycle())
    assert allocations(freeing, "cpu") == clean


def test_python_collects_no_garbage_meanwhile_and_does_so_again_behind_it() -> None:
    enabled: list[bool] = []
    allocations(lambda: enabled.append(gc.isenabled()), "cpu")
    with pytest.raises(ZeroDivisionError):
        allocations(lambda: 1 // 0, "cpu")
    assert (enabled, gc.isenabled()) == ([False], True)


def test_on_an_accelerator_garbage_is_gone_before_its_statistics_are_read(
    accelerated: Callable[[FakeAccelerator], Allocations],
) -> None:
    garbage = in_a_cycle()
    accelerated(FakeAccelerator({}, statistics("allocation", peak=30, current=10, allocated=40, asked=3)))
    assert garbage() is None


class FakeAccelerator:
    """An accelerator's allocator: what it was asked, in turn, and statistics that are as somebody wrote them down."""

    def __init__(self, before: dict[str, int], after: dict[str, int]) -> None:
        self.asked: list[str] = []
        self.stats = [after, before]
        self.result: weakref.ref[Tensor] | None = None

    def synchronize(self, device: str) -> None:
        self.asked.append(f"synchronize {device}")

    def reset_peak_memory_stats(self, device: str) -> None:
        self.asked.append(f"reset {device}")

    def memory_stats(self, device: str) -> dict[str, int]:
        alive = self.result is not None and self.result() is not None
        self.asked.append(f"statistics {device}{', the result alive' if alive else ''}")
        return self.stats.pop()

    def action(self) -> Tensor:
        self.asked.append("action")
        result = torch.ones(1)
        self.result = weakref.ref(result)
        return result


def statistics(requests: str, *, peak: int, current: int, allocated: int, asked: int) -> dict[str, int]:
    return {
        "allocated_bytes.all.peak": peak,
        "allocated_bytes.all.current": current,
        "allocated_bytes.all.allocated": allocated,
        f"{requests}.all.allocated": asked,
        "reserved_bytes.all.peak": 10**9,
    }


@pytest.fixture
def accelerated(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeAccelerator], Allocations]:
    def measure(fake: FakeAccelerator) -> Allocations:
        monkeypatch.setattr(subject, "synchronize", fake.synchronize)
        monkeypatch.setattr(torch.accelerator, "reset_peak_memory_stats", fake.reset_peak_memory_stats)
        monkeypatch.setattr(torch.accelerator, "memory_stats", fake.memory_stats)
        return allocations(fake.action, "cuda:0")

    return measure


@pytest.mark.parametrize("requests", ["allocation", "allocated"])
def test_an_accelerator_tells_by_itself_how_its_statistics_grew(
    accelerated: Callable[[FakeAccelerator], Allocations], requests: str
) -> None:
    fake = FakeAccelerator(
        statistics(requests, peak=120, current=100, allocated=1000, asked=7),
        statistics(requests, peak=350, current=180, allocated=1600, asked=12),
    )
    assert accelerated(fake) == Allocations(peak_bytes=250, count=5, total_bytes=600, kept=(80,))
    assert fake.asked == [
        "synchronize cuda:0",
        "reset cuda:0",
        "statistics cuda:0",
        "action",
        "synchronize cuda:0",
        "statistics cuda:0, the result alive",
    ]


def test_an_accelerator_that_nobody_used_before_began_at_nothing(
    accelerated: Callable[[FakeAccelerator], Allocations],
) -> None:
    fake = FakeAccelerator({}, statistics("allocation", peak=30, current=10, allocated=40, asked=3))
    assert accelerated(fake) == Allocations(peak_bytes=30, count=3, total_bytes=40, kept=(10,))
