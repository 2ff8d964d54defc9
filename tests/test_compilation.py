from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from gradgauge.compilation import (
    Compiled,
    Watch,
    captured_anew,
    compile_call,
    forget_compiled,
    graph_nodes,
    no_recompile,
)

# torch.compile itself reads `.grad` of what is no leaf, and warns of it.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(autouse=True)
def nothing_compiled() -> Iterator[None]:
    forget_compiled()
    yield
    forget_compiled()


def twice(x: Tensor) -> Tensor:
    return 2 * x


def broken_in_two(x: Tensor) -> Tensor:
    y = 2 * x
    torch._dynamo.graph_break()
    return y + 1


def branching(x: Tensor) -> Tensor:
    y = 2 * x
    if y.sum() > 0:  # what is computed decides what comes next: the graph breaks here
        return y + 1
    return y - 1


def leaf(size: int = 4) -> Tensor:
    return torch.ones(size, requires_grad=True)


def test_one_compile_of_a_trivial_function_is_one_graph_without_breaks() -> None:
    call, x = compile_call(twice), leaf()
    watch = Watch()
    outputs = (call(x),)
    assert outputs[0].tolist() == [2.0] * 4  # type: ignore[union-attr]
    compiled = watch.compiled(outputs)  # type: ignore[arg-type]
    assert compiled == Compiled(graphs=1, breaks=0, backward="")
    assert compiled.detail == ""


def test_graph_breaks_are_counted_and_told() -> None:
    call = compile_call(broken_in_two)
    watch = Watch()
    compiled = watch.compiled((call(leaf()),))  # type: ignore[arg-type]
    assert compiled == Compiled(graphs=2, breaks=1, backward="")
    assert compiled.detail == "1 graph break"


def test_a_branch_on_data_is_a_graph_break_too() -> None:
    call = compile_call(branching)
    watch = Watch()
    assert watch.compiled((call(leaf()),)) == Compiled(graphs=2, breaks=1, backward="")  # type: ignore[arg-type]


def test_a_watch_counts_only_what_came_after_it() -> None:
    call = compile_call(twice)
    call(leaf())
    assert Watch().compiled(()) == Compiled(graphs=0, breaks=0, backward="")


def test_a_new_size_under_the_guard_raises_and_a_known_one_does_not() -> None:
    call = compile_call(twice)
    call(leaf(4))
    with no_recompile():
        call(leaf(4))
        with pytest.raises(RuntimeError, match=r"recompil"):
            call(leaf(5))
    call(leaf(6))


def test_after_forgetting_the_same_call_compiles_again() -> None:
    call = compile_call(twice)
    call(leaf())
    forget_compiled()
    watch = Watch()
    call(leaf())
    assert watch.compiled(()).graphs == 1


def test_sizes_are_static_each_one_has_a_graph_of_its_own() -> None:
    call = compile_call(twice)
    watch = Watch()
    for size in (4, 5, 6):
        call(leaf(size))
    assert watch.compiled(()).graphs == 3


@pytest.mark.parametrize(
    ("compiled", "detail"),
    [
        (Compiled(1, 0, ""), ""),
        (Compiled(2, 1, ""), "1 graph break"),
        (Compiled(9, 8, "backward ran eagerly"), "8 graph breaks; backward ran eagerly"),
        (Compiled(1, 0, "backward ran partly eagerly"), "backward ran partly eagerly"),
    ],
)
def test_what_ran_eagerly_is_said(compiled: Compiled, detail: str) -> None:
    assert compiled.detail == detail


def test_an_eager_backward_behind_a_compiled_watch_is_seen() -> None:
    assert Watch().compiled((twice(leaf()),)).backward == "backward ran eagerly"
    call, x = compile_call(twice), leaf()
    mixed = torch.relu(call(x))  # type: ignore[arg-type]
    assert Watch().compiled((mixed,)).backward == "backward ran partly eagerly"


def test_every_node_behind_the_outputs_is_found_once() -> None:
    x = leaf()
    y = x * x
    names = sorted(node.name().rpartition("::")[2] for node in graph_nodes((y + y, y)))
    assert names == ["AccumulateGrad", "AddBackward0", "MulBackward0"]
    assert graph_nodes((torch.ones(1),)) == []


def test_what_is_captured_anew_leaves_nothing_and_finds_nothing() -> None:
    call = torch.compile(twice, backend="eager")
    call(leaf())
    for _ in range(3):  # each time from nothing
        with captured_anew():
            assert counters["stats"]["unique_graphs"] == 0
            call(leaf())
            assert counters["stats"]["unique_graphs"] == 1
    watch = Watch()
    call(leaf())
    assert watch.compiled().graphs == 1


@pytest.mark.parametrize("raises", [False, True])
def test_what_cannot_be_captured_is_not_told_to_the_terminal(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, *, raises: bool
) -> None:
    out, logger = sys.stdout, logging.getLogger("torch._dynamo")
    caplog.set_level(logging.INFO, logger.name)

    def give_up() -> None:
        with captured_anew():
            assert not logger.isEnabledFor(logging.ERROR)
            sys.stdout.write("a graph that export gives up\n")
            sys.stderr.write("and why\n")
            if raises:
                raise ZeroDivisionError

    if raises:
        with pytest.raises(ZeroDivisionError):
            give_up()
    else:
        give_up()
    assert capfd.readouterr() == ("", "")
    assert (logger.level, sys.stdout) == (logging.INFO, out)
