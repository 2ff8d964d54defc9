from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor

from gradgauge.behavior.table import BEHAVIORS
from gradgauge.checking.snippets import import_line, literal, made, shown
from gradgauge.examples import MOST_LITERALS
from gradgauge.inputs import lay_out
from gradgauge.snippet_templates import BEHAVIORS as TEMPLATES
from tests.checking.functions import SiLU
from tests.fakes import twice

TENSORS = [
    torch.tensor([[0.1, -2.0], [float("nan"), float("-inf")]]),
    torch.tensor(1e-45),
    torch.tensor([-0.0, 3.4028234663852886e38]),
    torch.tensor([0.1, 1 / 3], dtype=torch.float64),
    torch.tensor([0.1, -3.0], dtype=torch.bfloat16),
    torch.tensor([65504.0, 6e-8], dtype=torch.float16),
    torch.zeros(2, 0, 3),
]


def evaluated(text: str) -> Tensor:
    result = eval(text, {"torch": torch, "float": float})
    assert isinstance(result, Tensor)
    return result


@pytest.mark.parametrize("tensor", TENSORS)
def test_a_literal_is_the_tensor_to_the_last_bit(tensor: Tensor) -> None:
    again = evaluated(literal(tensor))
    assert (again.dtype, again.shape) == (tensor.dtype, tensor.shape)
    assert torch.equal(again.nan_to_num(7.0), tensor.nan_to_num(7.0))
    assert torch.equal(again.signbit(), tensor.signbit())


def test_a_literal_has_no_more_digits_than_it_takes() -> None:
    assert literal(torch.tensor([0.1, 1.0, -2e-5])) == "torch.tensor([0.1, 1.0, -2e-05])"
    assert literal(torch.tensor([0.1], dtype=torch.float64)) == "torch.tensor([0.1], dtype=torch.float64)"


@pytest.mark.parametrize("layout", ["contiguous", "transposed", "strided", "sliced", "expanded", "channels-last"])
def test_a_literal_has_the_layout(layout: str) -> None:
    tensor = lay_out(torch.arange(120.0).reshape(2, 3, 4, 5), layout)
    again = evaluated(literal(tensor, layout))
    assert torch.equal(again, tensor)
    assert again.stride() == tensor.stride()


def test_a_literal_of_one_number_repeated() -> None:
    again = evaluated(literal(torch.ones(2, 3), "repeated"))
    assert (again.stride(), again.tolist()) == ((0, 0), [[1.0] * 3] * 2)


def test_large_tensors_are_neither_written_out_nor_shown() -> None:
    large = torch.arange(MOST_LITERALS + 1.0)
    assert literal(large) == f"torch.randn(({MOST_LITERALS + 1},))"
    assert shown(large) == f"{MOST_LITERALS + 1} numbers from 0 to {MOST_LITERALS}"


def test_an_input_asks_for_its_gradient() -> None:
    assert made("x", torch.ones(2)) == "x = torch.tensor([1.0, 1.0], requires_grad=True)"
    assert made("x", torch.ones(2), asks=False) == "x = torch.tensor([1.0, 1.0])"
    strided = made("x", torch.ones(2), "strided")
    assert strided.endswith("[..., ::2].detach().requires_grad_()")


def test_a_function_is_imported_where_it_can_be() -> None:
    assert import_line(twice) == "from tests.fakes import twice"
    assert import_line(SiLU.apply) == "from tests.checking.functions import SiLU"
    assert import_line(lambda x: x) == "# fn is the function that was checked"
    assert import_line(functools.partial(twice)) == "# fn is the function that was checked"

    class Local(SiLU):
        pass

    assert import_line(Local.apply) == "# Local is the function that was checked"
    assert import_line(torch.nn.SiLU()) == "# fn is the function that was checked"


def test_every_behaviour_that_plain_pytorch_can_show_has_lines() -> None:
    names = {behavior.name for behavior in BEHAVIORS}
    assert set(TEMPLATES) <= names
    assert names - set(TEMPLATES) == {"side_stream", "cuda_graph"}
