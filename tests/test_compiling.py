from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge import compiling
from gradgauge.compilation import compile_call, forget_compiled
from gradgauge.compiling import Break, Made, shapes_compiled_anew, watch_compiling

# torch.compile itself reads `.grad` of what is no leaf, and warns of it.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
HERE = Path(__file__).name


@pytest.fixture(autouse=True)
def nothing_compiled() -> Iterator[None]:
    forget_compiled()
    yield
    forget_compiled()


def line_of(function: Callable[..., Any], text: str) -> str:
    """Return the line of a function that holds a text, as a break tells it."""
    first = function.__code__.co_firstlineno
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    number = next(number for number in range(first, len(lines)) if text in lines[number - 1])
    return f"{function.__name__}, {HERE}:{number}"


# --- graph breaks ---------------------------------------------------------------------------------------------------


def whole(x: Tensor) -> Tensor:
    return x.exp() + x


def broken(x: Tensor) -> Tensor:
    y = x.exp()
    torch._dynamo.graph_break()
    return y + x


def helper(x: Tensor) -> Tensor:
    torch._dynamo.graph_break()
    return x.exp()


def broken_elsewhere(x: Tensor) -> Tensor:
    y = helper(x + 1)
    return helper(y) + x


def branching(x: Tensor) -> Tensor:
    y = x.exp()
    if y.sum() > 0:  # what is computed decides what comes next
        return y + x
    return y - x


def nothing_in_it(x: Tensor) -> Tensor:
    return x


def backward_and_forward(call: Callable[..., Any]) -> Callable[[], None]:
    x = torch.ones(16, 16, requires_grad=True)

    def run() -> None:
        torch.autograd.backward(call(x), torch.ones(16, 16))

    return run


@pytest.mark.parametrize(
    ("call", "graphs", "places"),
    [
        (whole, 1, {}),
        (broken, 2, {line_of(broken, "graph_break"): 1}),
        (broken_elsewhere, 3, {line_of(helper, "graph_break"): 3}),  # within each call, and by itself
        (branching, 2, {line_of(branching, "if y.sum"): 1}),
        (nothing_in_it, 0, {}),
    ],
)
def test_breaks_are_counted_each_at_its_line(call: Callable[..., Any], graphs: int, places: dict[str, int]) -> None:
    made = watch_compiling(backward_and_forward(compile_call(call)))
    assert (made.graphs, made.breaks) == (graphs, sum(places.values()))
    assert {place.line: times for place, times in made.places} == places


def test_a_break_has_its_reason() -> None:
    ((place, _),) = watch_compiling(backward_and_forward(compile_call(broken))).places
    assert place.reason.startswith("Call to `torch._dynamo.graph_break()`: User-inserted graph break.")


def test_kernels_of_both_directions_count_also_where_the_cache_has_them() -> None:
    found = []
    for _ in range(2):
        forget_compiled()
        found.append(watch_compiling(backward_and_forward(compile_call(whole))))
    assert found == [Made(graphs=1, breaks=0, places=(), kernels=2)] * 2


def test_what_was_compiled_before_does_not_count() -> None:
    watch_compiling(backward_and_forward(compile_call(broken)))
    call = compile_call(whole)
    call(torch.ones(16, 16, requires_grad=True))
    assert watch_compiling(backward_and_forward(call)) == Made(graphs=0, breaks=0, places=(), kernels=0)


# --- shapes ---------------------------------------------------------------------------------------------------------

RARE = {3: 1.0}


def looking_up(x: Tensor) -> Tensor:
    return -x if int(x.shape[0]) in RARE else x.exp()


def even_and_odd(x: Tensor) -> Tensor:
    return x.exp() if x.shape[0] % 2 else x.sin()


def fitting_eight(x: Tensor) -> Tensor:
    return x + torch.ones(8)


def samples(*sizes: int) -> list[tuple[Tensor, ...]]:
    return [(torch.ones(size, size),) for size in sizes]


@pytest.mark.parametrize(
    ("call", "sizes", "anew"),
    [
        (whole, (16, 15, 14, 64), [1]),  # the second size makes sizes variable
        (whole, (16, 16, 16), []),
        (whole, (16,), []),
        (looking_up, (16, 15, 14, 64), [1, 2, 3]),
        (looking_up, (16, 15, 16, 15), [1]),
        (even_and_odd, (16, 15, 13, 14, 12), [1, 3]),
        (broken, (16, 15, 14), [1]),
    ],
)
def test_the_shapes_that_make_it_capture_anew_are_found(
    call: Callable[..., Any], sizes: tuple[int, ...], anew: list[int]
) -> None:
    assert shapes_compiled_anew(call, samples(*sizes)) == anew


def test_each_question_starts_from_nothing() -> None:
    assert [shapes_compiled_anew(whole, samples(8, 7)) for _ in range(3)] == [[1]] * 3


def test_a_shape_that_it_refuses_raises_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="must match"):
        shapes_compiled_anew(fitting_eight, samples(8, 7))
    assert capfd.readouterr() == ("", "")


# --- what a reason is made of ---------------------------------------------------------------------------------------


def frame(file: str, line: int, name: str) -> SimpleNamespace:
    return SimpleNamespace(filename=file, lineno=line, name=name)


TORCH = str(Path(torch.__file__).parent / "nn" / "functional.py")
OWN = [frame("/mine/relu.py", 3, "relu"), frame("/mine/helper.py", 9, "helper")]


@pytest.mark.parametrize(
    ("reason", "stack", "found"),
    [
        (
            "Data-dependent branching\n  Explanation: Detected data-dependent branching.\n  Hint: use torch.cond.\n",
            OWN,
            Break("Data-dependent branching: Detected data-dependent branching.", "helper, helper.py:9"),
        ),
        ("\n\ngeneric_jump TensorVariable()", OWN[:1], Break("generic_jump TensorVariable()", "relu, relu.py:3")),
        (
            "why",
            [*OWN[:1], frame(TORCH, 100, "relu")],
            Break("why", "relu, relu.py:3"),
        ),  # PyTorch's own lines are not told
        ("why", [frame(TORCH, 100, "relu")], Break("why", "")),
        ("why", [frame("/mine/torch_like/relu.py", 3, "relu")], Break("why", "relu, relu.py:3")),
        ("", [], Break("", "")),
    ],
)
def test_a_break_is_told_by_its_cause_and_the_users_own_innermost_line(
    reason: str, stack: list[SimpleNamespace], found: Break
) -> None:
    assert compiling.break_of(SimpleNamespace(reason=reason, user_stack=stack)) == found
