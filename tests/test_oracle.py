from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge.catalog import Catalog, FunctionEntry
from gradgauge.inputs import cotangents
from gradgauge.model import Kink, kink_at
from gradgauge.oracle import Truth, tell_truth
from tests.fakes import a_function, an_entry, spying

NAN = math.nan


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def truth_of(entry: FunctionEntry, *inputs: Tensor, kinds: Tensor | None = None) -> Truth:
    drawn = generator()
    return tell_truth(entry, inputs, lambda outputs: cotangents(outputs, drawn), kinds)


RELU = an_entry(a_function(kinks=(kink_at(0.0, 0.0, 1.0),)), reference=lambda x: x.clamp(min=0))


def test_the_reference_runs_in_float64_on_the_upcast_inputs() -> None:
    seen: list[torch.dtype] = []
    entry = an_entry(reference=spying(seen, lambda x: x.dtype, lambda x: x / 3))
    x = torch.tensor([0.1], dtype=torch.float16)
    truth = truth_of(entry, x)
    assert seen == [torch.float64]
    assert truth.inputs[0].dtype == truth.grad_outputs[0].dtype == torch.float16
    # 0.1 as float16 holds it, and not the 0.1 that somebody meant.
    assert truth.values[0].item() == x.double().item() / 3


def test_gradients_are_exact_for_the_rounded_cotangent() -> None:
    truth = truth_of(an_entry(reference=lambda x: 3 * x), torch.ones(4, dtype=torch.bfloat16))
    assert torch.equal(truth.gradients[0], 3 * truth.grad_outputs[0].double())
    assert truth.gradients[0].dtype == torch.float64


def test_at_a_kink_anything_between_the_one_sided_gradients_is_right_whatever_their_sign() -> None:
    x = torch.tensor([-1.0, 0.0, -0.0, 2.0] * 8)
    truth = truth_of(RELU, x)
    grad = truth.grad_outputs[0].double()
    at = x == 0
    assert torch.equal(truth.lowest[0][at], grad[at].clamp(max=0))
    assert torch.equal(truth.highest[0][at], grad[at].clamp(min=0))
    assert (grad[at] < 0).any()
    assert (grad[at] > 0).any()
    assert torch.equal(truth.lowest[0][~at], truth.gradients[0][~at])
    assert torch.equal(truth.highest[0][~at], truth.gradients[0][~at])


def test_at_nan_no_gradient_is_compared() -> None:
    truth = truth_of(RELU, torch.tensor([1.0, NAN, math.inf]))
    assert truth.compared[0].tolist() == [True, False, True]


def test_a_nan_of_one_input_excuses_what_it_meets_in_the_other(catalog: Catalog) -> None:
    a = torch.tensor([[1.0, 2.0], [NAN, 4.0]])
    truth = truth_of(catalog.functions["multiply"], a, torch.tensor([3.0, 5.0]))
    assert truth.compared[0].tolist() == [[True, True], [False, True]]
    assert truth.compared[1].tolist() == [False, True]


def test_inputs_that_do_not_broadcast_answer_for_themselves() -> None:
    entry = an_entry(a_function(inputs=("a", "b")), reference=lambda a, b: a @ b)
    truth = truth_of(entry, torch.tensor([[1.0, NAN, 1.0]]), torch.ones(3, 4))
    assert truth.compared[0].tolist() == [[True, False, True]]
    assert truth.compared[1].all()


def test_the_scale_is_the_cotangent_times_the_largest_slope() -> None:
    entry = an_entry(a_function(gradient_scale=0.25), reference=lambda x: 0.1 * x)
    truth = truth_of(entry, torch.ones(5))
    assert torch.equal(truth.slopes_scale[0], 0.25 * truth.grad_outputs[0].double().abs())


def test_the_scale_of_a_broadcast_input_is_the_sum_that_its_gradient_adds_up(catalog: Catalog) -> None:
    a, b = torch.tensor([[1.0, -2.0], [3.0, 4.0]]), torch.tensor([10.0, 20.0])
    truth = truth_of(catalog.functions["multiply"], a, b)
    grad = truth.grad_outputs[0].double().abs()
    assert torch.allclose(truth.slopes_scale[1], (grad * a.double().abs()).sum(0), rtol=1e-15)
    assert truth.slopes_scale[1].shape == (2,)
    assert torch.equal(truth.slopes_scale[0], grad * b.double())


def test_of_two_outputs_both_cotangents_add_to_the_scale() -> None:
    entry = an_entry(a_function(gradient_scale=2.0), reference=lambda x: (x * 2, x * 1))
    truth = truth_of(entry, torch.ones(3))
    grads = [grad.double().abs() for grad in truth.grad_outputs]
    assert torch.equal(truth.slopes_scale[0], 2 * (grads[0] + grads[1]))


def test_where_no_cotangent_has_the_inputs_shape_the_largest_one_counts() -> None:
    entry = an_entry(a_function(gradient_scale=1.0), reference=lambda x: x.sum())
    truth = truth_of(entry, torch.ones(3))
    assert torch.equal(truth.slopes_scale[0], truth.grad_outputs[0].double().abs().expand(3))


def test_an_empty_tensor_has_an_empty_truth() -> None:
    truth = truth_of(RELU, torch.ones(0, 3))
    assert truth.values[0].shape == truth.gradients[0].shape == truth.slopes_scale[0].shape == (0, 3)


EDGE_THEN_RANDOM = torch.tensor([NAN, math.inf, 1.0, 2.0])


@pytest.mark.parametrize(
    ("reference", "contaminated"),
    [
        (lambda x: 2 * x, False),
        (lambda x: 2 * x + x.sum(), True),  # the NaN of one element reaches all
        (lambda x: x.sum(), True),  # one output for many inputs
        (lambda x: torch.cat([x, x]), True),
    ],
)
def test_edges_that_reach_beyond_themselves_are_noticed(reference: Any, contaminated: bool) -> None:
    kinds = torch.tensor([3, 3, 0, 0], dtype=torch.int8)
    truth = truth_of(an_entry(reference=reference), EDGE_THEN_RANDOM, kinds=kinds)
    assert truth.is_contaminated is contaminated


def two_sided(a: Tensor, b: Tensor, low_grad: Tensor, high_grad: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
    """Where a = b, each input may take either output's cotangent."""
    return (low_grad, high_grad), (high_grad, low_grad)


MIN_MAX = an_entry(
    a_function(inputs=("a", "b"), kinks=(Kink("a = b", lambda a, b: a == b, two_sided),)),
    reference=lambda a, b: (torch.minimum(a, b), torch.maximum(a, b)),
)


def test_a_kink_of_two_inputs_and_two_outputs_bounds_both_gradients() -> None:
    a, b = torch.tensor([1.0, 2.0, 5.0]), torch.tensor([3.0, 2.0, 4.0])
    truth = truth_of(MIN_MAX, a, b)
    low, high = (grad.double() for grad in truth.grad_outputs)
    assert truth.gradients[0].tolist() == [low[0], (low[1] + high[1]) / 2, high[2]]
    for index in range(2):
        assert truth.lowest[index][1] == torch.minimum(low, high)[1]
        assert truth.highest[index][1] == torch.maximum(low, high)[1]
        assert torch.equal(truth.lowest[index][[0, 2]], truth.gradients[index][[0, 2]])


# --- broadcasting ---------------------------------------------------------------------------------------------------


def test_of_a_broadcast_input_the_scale_is_the_sum_of_its_terms_sizes() -> None:
    entry = an_entry(a_function(inputs=("a", "b")), reference=lambda a, b: a / b)
    a, b = torch.tensor([[3.0], [-3.0]]), torch.tensor([0.5])
    truth = truth_of(entry, a, b)
    grad = truth.grad_outputs[0].double()
    # ∂/∂b = −a / b², of which the two terms cancel in part.
    assert truth.slopes_scale[1].item() == pytest.approx(float((grad * a / b**2).abs().sum()))
    assert truth.slopes_scale[0].tolist() == [[pytest.approx(2 * abs(float(each)))] for each in grad]


def test_where_broadcast_inputs_tie_each_term_may_go_either_way() -> None:
    a, b = torch.tensor([[2.0], [1.0], [2.0]]), torch.tensor([2.0])
    truth = truth_of(MIN_MAX, a, b)
    low, high = (grad.double().reshape(3) for grad in truth.grad_outputs)
    tied = torch.minimum(low, high)[[0, 2]].sum() + high[1]
    assert truth.lowest[1].item() == pytest.approx(float(tied))
    assert truth.highest[1].item() == pytest.approx(float(torch.maximum(low, high)[[0, 2]].sum() + high[1]))


def test_a_constant_function_has_gradients_of_zero() -> None:
    truth = truth_of(an_entry(reference=torch.ones_like), torch.ones(3))
    assert truth.gradients[0].tolist() == [0.0, 0.0, 0.0]
