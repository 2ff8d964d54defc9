"""What is looked at repeats: whatever draws, however many threads there are, whoever uses the profiler itself."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.profiler import profile

from gradgauge.allocations import allocations
from gradgauge.attempts import Unsupported
from gradgauge.cases import Case
from gradgauge.counting import count_calls
from gradgauge.ledger import INTERMEDIATE, ledger_of
from gradgauge.measuring import prepared, warm_pass
from gradgauge.passes import Subject
from gradgauge.repeating import repeatable, reseed
from gradgauge.runs import RunFolder
from tests.fakes import a_case, a_job, measure_here, technique_py, write_function


def test_every_generator_begins_anew() -> None:
    def draw() -> tuple[Any, ...]:
        return random.random(), np.random.rand(), float(torch.rand(()))  # noqa: NPY002  (what others draw from)

    reseed()
    first = draw()
    assert draw() != first
    reseed()
    assert draw() == first


@pytest.mark.parametrize(("mode", "inside"), [("eager", 1), ("compiled", 2)])
def test_eager_code_is_looked_at_on_one_thread(mode: str, inside: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with repeatable(mode):
            assert torch.get_num_threads() == inside
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def wandering(x: Tensor) -> Tensor:
    """Do something for a random number of times."""
    for _ in range(int(torch.randint(1, 60, ()))):
        x = x * 1.5
    return x


def looked_at(case: Case, call: Callable[[Tensor], Tensor]) -> Any:
    x = torch.ones(64, requires_grad=True)
    pass_ = warm_pass(Subject(case, call, (x,), (torch.ones(64),)))
    return allocations(prepared(pass_, "eager"), "cpu"), count_calls(prepared(pass_, "eager"), "cpu")


@pytest.mark.parametrize("pass_", ["forward", "backward", "forward_backward"])
def test_what_draws_draws_the_same_whenever_it_is_looked_at(pass_: str) -> None:
    found = [looked_at(a_case(pass_=pass_), wandering) for _ in range(3)]
    assert found[0] == found[1] == found[2]


def test_what_draws_keeps_the_same_in_both_looks_of_the_ledger() -> None:
    x = torch.ones(64, requires_grad=True)
    found = [ledger_of(wandering, (x,)) for _ in range(3)]
    assert found[0] == found[1] == found[2]
    assert not found[0].entries, "a product with a number keeps the number alone"


def profiling_itself(x: Tensor) -> Tensor:
    with profile():
        return x * 2


def test_who_uses_the_profiler_is_not_said_to_take_nothing() -> None:
    x = torch.ones(64)
    looks: list[Callable[..., Any]] = [allocations, count_calls]
    for look in looks:
        with pytest.raises(Unsupported, match="uses the profiler itself"):
            look(lambda: profiling_itself(x), "cpu")


class Numpy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mask = np.packbits(x.detach().numpy() > 0)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        return grad_output * torch.from_numpy(np.unpackbits(ctx.mask).astype(np.float32))


def test_what_numpy_holds_counts_and_the_allocators_balance_stays_even() -> None:
    x = torch.ones(4096, requires_grad=True)
    call: Callable[..., Tensor] = Numpy.apply
    (entry,) = ledger_of(call, (x,)).entries
    assert (entry.role, entry.bytes, entry.dtype, entry.shape) == (INTERMEDIATE, 512, "uint8", (512,))


SELF_COMPILED = """
compiled = torch.compile(lambda x: (2 * x).sin() * 3, backend="inductor")

def call(x):
    return compiled(x)
"""


@pytest.mark.slow
def test_counting_flops_leaves_what_compiles_itself_compiled(folder: RunFolder) -> None:
    root = folder.path.parent
    write_function(root, "twice", reference=technique_py(SELF_COMPILED))
    selection = {"suites": ("counters",), "modes": ("eager",), "devices": ("cpu",)}
    measured = measure_here(folder, a_job(folder, selection, implementations=(str(root),), only_mine=True))
    found = {line["pass"]: line["value"] for line in measured.find("operators")}
    assert found["inference"] == found["forward"] == 0
