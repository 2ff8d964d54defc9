from __future__ import annotations

import pytest
import torch

from gradgauge.attempts import Wrong
from gradgauge.calling import Disconnected, gradients_of, outputs_of


def test_one_tensor_is_a_tuple_of_one() -> None:
    x = torch.ones(2)
    assert outputs_of(x) == (x,)
    assert outputs_of((x, x)) == (x, x)


@pytest.mark.parametrize(("result", "name"), [(None, "NoneType"), (3.0, "float"), ((torch.ones(1), None), "NoneType")])
def test_what_is_no_tensor_is_named(result: object, name: str) -> None:
    with pytest.raises(Wrong, match=f"returned {name}, not a tensor or a tuple of tensors"):
        outputs_of(result)  # type: ignore[arg-type]


def test_gradients_of_two_outputs_add_up() -> None:
    x = torch.tensor([3.0], requires_grad=True)
    (gradient,) = gradients_of((2 * x, x * x), (x,), (torch.tensor([10.0]), torch.tensor([1.0])))
    assert gradient.tolist() == [26.0]
    assert x.grad is None


def test_an_input_that_nothing_reaches_has_gradient_zero() -> None:
    a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
    gradients = gradients_of((3 * a,), (a, b), (torch.ones(2),))
    assert [gradient.tolist() for gradient in gradients] == [[3.0, 3.0], [0.0, 0.0]]


def test_an_output_without_graph_is_left_out() -> None:
    x = torch.ones(2, requires_grad=True)
    (gradient,) = gradients_of((x.detach(), 3 * x), (x,), (torch.full((2,), 7.0), torch.ones(2)))
    assert gradient.tolist() == [3.0, 3.0]


def test_outputs_that_are_all_cut_off_are_told() -> None:
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(Disconnected, match="no output is connected to an input"):
        gradients_of((x.detach(),), (x,), (torch.ones(2),))
