from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge import memory
from gradgauge.catalog import Catalog
from gradgauge.memory import peak_bytes, saved_bytes

ELEMENTS = 1000


def leaf(*shape: int) -> Tensor:
    return torch.ones(shape or (ELEMENTS,)).requires_grad_()


@pytest.mark.parametrize(
    ("technique", "each"),
    [
        ("relu/masked_function", 4),  # the input, float32
        ("relu/where", 1),  # the mask, bool
        ("relu/native", 4),  # the result
        ("ternary_activation/reference", 10),  # two masks and two σ
    ],
)
def test_bytes_saved_an_element_are_those_counted_by_hand(catalog: Catalog, technique: str, each: int) -> None:
    function, name = technique.split("/")
    call = catalog.functions[function].implementations[name].implementation.call
    assert saved_bytes(call, (leaf(),)) == each * ELEMENTS


@pytest.mark.parametrize("technique", ["custom_function", "lean_function", "reference"])
def test_multiply_saves_both_inputs(catalog: Catalog, technique: str) -> None:
    call = catalog.functions["multiply"].implementations[technique].implementation.call
    assert saved_bytes(call, (leaf(10, 8), leaf(8))) == 4 * (80 + 8)


def test_lean_multiply_saves_only_what_the_asked_gradient_needs(catalog: Catalog) -> None:
    lean = catalog.functions["multiply"].implementations["lean_function"].implementation.call
    assert saved_bytes(lean, (leaf(10, 8), torch.ones(8))) == 4 * 8


def test_a_storage_that_is_saved_twice_counts_once_and_whole() -> None:
    x = leaf()
    assert saved_bytes(lambda x: x * x, (x,)) == 4 * ELEMENTS
    assert saved_bytes(lambda x: x[:10] * x[:10], (x,)) == 4 * ELEMENTS


def test_nothing_saved_is_zero_bytes() -> None:
    assert saved_bytes(lambda x: x + 1, (leaf(),)) == 0


def stashing(keep: Callable[[Tensor], Any]) -> Callable[[Tensor], Tensor]:
    class Stash(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.stash = keep(x)
            return 2 * x

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            return 2 * grad_output

    return Stash.apply


@pytest.mark.parametrize(
    ("keep", "each"),
    [
        (lambda x: x * 3, 4),
        (lambda x: [x > 0, {"a": (x.double(),)}], 9),
        (lambda x: "no tensor", 0),
    ],
)
def test_tensors_kept_as_attributes_of_ctx_count_too(keep: Callable[[Tensor], Any], each: int) -> None:
    assert saved_bytes(stashing(keep), (leaf(),)) == each * ELEMENTS


def test_what_two_outputs_save_counts_together() -> None:
    assert saved_bytes(lambda x: (x.exp(), x.sigmoid()), (leaf(),)) == 2 * 4 * ELEMENTS


@pytest.mark.parametrize(
    ("action", "each"),
    [
        (lambda x: x * 2, 4),
        (lambda x: (x * 2, x * 3), 8),
        (lambda x: (x * 2).sum(), 4),  # the intermediate, and one element of 4 bytes
        (lambda x: (x * 2) * 3, 8),
        (lambda x: x.mul_(2), 0),
    ],
)
def test_the_peak_is_what_was_allocated_at_once(action: Callable[[Tensor], Any], each: int) -> None:
    x = torch.ones(2**16)
    assert peak_bytes(lambda: action(x), "cpu") == pytest.approx(each * 2**16, abs=64)


def test_what_is_freed_before_the_peak_does_not_count() -> None:
    x = torch.ones(2**16)

    def in_turns() -> None:
        for _ in range(5):
            x * 2

    assert peak_bytes(in_turns, "cpu") == pytest.approx(4 * 2**16, abs=64)  # the number 2 is a tensor on its way


def test_the_peak_repeats_exactly() -> None:
    x = torch.randn(2**12)
    assert len({peak_bytes(lambda: x[x > 0] * 2, "cpu") for _ in range(4)}) == 1


def test_measuring_writes_nothing_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    x = torch.ones(8)
    peak_bytes(lambda: x * 2, "cpu")
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


def test_an_action_that_raises_leaves_standard_error_in_place(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        peak_bytes(lambda: 1 // 0, "cpu")
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


def test_on_an_accelerator_its_own_statistics_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def telling(name: str, value: int = 0) -> Callable[[str], int]:
        def tell(device: str) -> int:
            told.append(f"{name} {device}")
            return value

        return tell

    monkeypatch.setattr(memory, "synchronize", telling("synchronize"))
    monkeypatch.setattr(torch.accelerator, "memory_allocated", telling("before", 100))
    monkeypatch.setattr(torch.accelerator, "reset_peak_memory_stats", telling("reset"))
    monkeypatch.setattr(torch.accelerator, "max_memory_allocated", telling("peak", 350))
    assert peak_bytes(lambda: told.append("action"), "cuda:0") == 250
    steps = ["synchronize cuda:0", "before cuda:0", "reset cuda:0", "action", "synchronize cuda:0", "peak cuda:0"]
    assert told == steps
