from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gradgauge.atlas import KINDS
from gradgauge.attempts import Failure, attempt
from gradgauge.cases import Case
from gradgauge.catalog import FunctionEntry
from gradgauge.model import Kink, kink_at
from gradgauge.oracle import Truth
from gradgauge.situations import (
    COTANGENT_LAYOUTS,
    INPUT_LAYOUTS,
    LONG,
    Situation,
    broadcasts,
    hostile_situations,
    main_situation,
)
from gradgauge.trials import Trial, Way
from tests.fakes import a_case, a_function, an_entry

RELU = an_entry(a_function(kinks=(kink_at(0.0, 0.0, 1.0),), breakpoints=(0.0,)), reference=lambda x: x.clamp(min=0))


def product_scale(inputs: tuple[Tensor, ...], grad_outputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    (a, b), (grad,) = inputs, grad_outputs
    return (grad * b).abs().sum_to_size(a.shape), (grad * a).abs().sum_to_size(b.shape)


PRODUCT = an_entry(
    a_function(inputs=("a", "b"), gradient_scale=product_scale), name="product", reference=lambda a, b: a * b
)


def two_sided(a: Tensor, b: Tensor, low: Tensor, high: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
    return (low, high), (high, low)


MIN_MAX = an_entry(
    a_function(inputs=("a", "b"), kinks=(Kink("a = b", lambda a, b: a == b, two_sided),)),
    name="min_max",
    reference=lambda a, b: (torch.minimum(a, b), torch.maximum(a, b)),
)
MATMUL = an_entry(a_function(inputs=("a", "b")), name="matmul", reference=lambda a, b: a @ b)

OTHER_COTANGENTS = ["zero cotangent", "large cotangent", "small cotangent"]
EVERYWHERE = [f"{layout} cotangent" for layout in COTANGENT_LAYOUTS] + [*OTHER_COTANGENTS, "undefined cotangent"]
EVERYWHERE += (
    ["interleaved"] + [f"{layout} input" for layout in INPUT_LAYOUTS] + ["0-d", "empty", "ranks", "no gradient"]
)
SEVERAL_INPUTS = ["broadcast", "long sum", "partial", "mixed input"]


def case_of(entry: FunctionEntry, shape: str = "16x16", **changes: str) -> Case:
    return a_case(function=entry.name, shape=shape, **changes)


def names(entry: FunctionEntry, **changes: str) -> list[str]:
    return [name for name, _ in hostile_situations(case_of(entry, **changes), entry, 0)]


def built(entry: FunctionEntry, name: str, seed: int = 0, **changes: str) -> Situation:
    builds = dict(hostile_situations(case_of(entry, **changes), entry, seed))
    situation = builds[name]()
    assert situation.kind == name
    return situation


def truths_of(situation: Situation) -> list[Truth]:
    return [truth for truth, _ in situation.trials]


def tried(entry: FunctionEntry, truth: Truth, way: Way, look: Callable[..., object]) -> list[object]:
    """Return what `look` makes of the inputs of the trial."""
    seen: list[object] = []

    def call(*inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        seen.extend(look(tensor) for tensor in inputs)
        return entry.reference.implementation.call(*inputs)

    Trial(case_of(entry), call, truth, way)
    return seen


# --- which there are ------------------------------------------------------------------------------------------------


def test_a_function_of_one_input_meets_no_broadcasting() -> None:
    assert names(RELU) == EVERYWHERE


def test_a_function_of_two_inputs_meets_broadcasts_long_sums_and_partial_asks() -> None:
    assert names(PRODUCT) == EVERYWHERE + SEVERAL_INPUTS


def test_compiled_code_meets_only_what_needs_no_other_code() -> None:
    kept = ["transposed", "strided", "sliced", "repeated", "zero", "large", "small"]
    assert names(PRODUCT, mode="compiled") == [*(f"{kind} cotangent" for kind in kept), "interleaved"]


def test_nothing_is_built_before_its_turn() -> None:
    entry = an_entry(reference=lambda x: 1 / 0)
    found = list(hostile_situations(case_of(entry), entry, 0))
    assert isinstance(attempt("the reference", found[0][1]), Failure)


# --- the main inputs ------------------------------------------------------------------------------------------------


def test_the_main_inputs_are_random_elements_and_every_edge_in_one_tensor() -> None:
    (trial,) = main_situation(case_of(RELU), RELU, 0).trials
    truth, way = trial
    assert way == Way()
    x = truth.inputs[0]
    assert x.shape == (16, 16)
    assert x.isnan().any()
    assert (x == math.inf).any()
    assert truth.kinds is not None
    counts = {KINDS[code]: int((truth.kinds == code).sum()) for code in range(len(KINDS))}
    # 7 places about the kink, one of them the two zeros; ±inf and NaN; ±largest, ±1, ±1e4; 31 sizes up to that.
    assert counts == {"random": 256 - 79, "far": 62, "kinks": 8, "edges": 6, "nonfinite": 3}


def test_elements_of_every_size_lie_between_what_is_drawn_and_the_extremes() -> None:
    ((truth, _),) = main_situation(case_of(RELU), RELU, 0).trials
    assert truth.kinds is not None
    far = truth.inputs[0][truth.kinds == KINDS.index("far")]
    for sign in (-1, 1):
        sizes = (sign * far)[sign * far > 0].sort().values
        assert float(sizes[0]) == pytest.approx(1e-3)
        assert float(sizes[-1]) == pytest.approx(10**3.77, rel=0.02)
        assert (sizes[1:] / sizes[:-1]).max() < 1.8


@pytest.mark.parametrize(("kind", "factor"), [("large cotangent", 2**16), ("small cotangent", 2**-24)])
def test_cotangents_come_in_other_sizes(kind: str, factor: float) -> None:
    (truth,) = truths_of(built(RELU, kind))
    assert factor / 2 < float(truth.grad_outputs[0].abs().median()) < factor
    assert not built(RELU, kind).has_values


def test_without_a_gradient_only_values_are_tried() -> None:
    enabled: list[bool] = []

    def call(a: Tensor, b: Tensor) -> Tensor:
        enabled.append(torch.is_grad_enabled())
        return a * b

    for truth, way in built(PRODUCT, "no gradient").trials:
        trial = Trial(case_of(PRODUCT), call, truth, way).finish()
        assert way.asked == (False, False)
        assert trial.gradients == (None, None)
        assert not trial.values[0].requires_grad
    assert enabled == [True, False]


def test_each_of_several_inputs_has_another_layout_in_turn() -> None:
    first, second = built(PRODUCT, "mixed input").trials
    assert [tried(PRODUCT, *each, Tensor.is_contiguous) for each in (first, second)] == [[False, True], [True, False]]


def test_ranks_go_from_one_to_five_with_dimensions_of_one() -> None:
    shapes = {tuple(truth.inputs[0].shape) for truth in truths_of(built(RELU, "ranks"))}
    assert {len(shape) for shape in shapes} == {1, 2, 3, 5}
    assert {(1, 5), (5, 1), (2, 1, 3, 1, 2)} <= shapes


def test_where_a_nan_would_spread_random_elements_have_a_tensor_of_their_own() -> None:
    random, *edges = main_situation(case_of(MATMUL), MATMUL, 0).trials
    assert random[0].kinds is None
    assert all(tensor.isfinite().all() for tensor in random[0].inputs)
    assert edges
    assert all(truth.kinds is not None for truth, _ in edges)


def test_tensors_too_small_for_all_edges_are_tried_in_several_truths() -> None:
    truths = truths_of(main_situation(case_of(RELU, "4"), RELU, 0))
    kinds = torch.cat([truth.kinds for truth in truths if truth.kinds is not None])
    assert int((kinds != 0).sum()) == 79


def test_the_same_seed_draws_the_same_and_another_another() -> None:
    one, again, other = (main_situation(case_of(PRODUCT), PRODUCT, seed).trials[0][0] for seed in (0, 0, 1))
    assert torch.equal(one.inputs[0].nan_to_num(), again.inputs[0].nan_to_num())
    assert torch.equal(one.grad_outputs[0], again.grad_outputs[0])
    assert not torch.equal(one.grad_outputs[0], other.grad_outputs[0])


# --- cotangents -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", COTANGENT_LAYOUTS)
def test_each_cotangent_layout_is_asked_for_and_values_are_not_judged_again(layout: str) -> None:
    situation = built(RELU, f"{layout} cotangent")
    ((truth, way),) = situation.trials
    assert way == Way(grad_output_layout=layout)
    assert not situation.has_values
    assert truth.grad_outputs[0].dim() == 4  # channels-last fits no other rank


def test_a_repeated_cotangent_is_one_number_in_the_truth_as_well() -> None:
    (truth,) = truths_of(built(RELU, "repeated cotangent"))
    assert torch.equal(truth.grad_outputs[0], torch.ones_like(truth.grad_outputs[0]))


def test_zero_cotangents_meet_infinities() -> None:
    (truth,) = truths_of(built(RELU, "zero cotangent", shape="16x16"))
    assert not truth.grad_outputs[0].any()
    assert truth.inputs[0].isinf().any()
    met = [truth for truth in truths_of(built(PRODUCT, "zero cotangent")) if truth.inputs[0].isinf().any()]
    assert met
    assert any(truth.gradients[1].isnan().any() for truth in met)  # 0 · inf


def test_an_undefined_cotangent_needs_several_outputs() -> None:
    assert built(RELU, "undefined cotangent").trials == ()
    assert built(PRODUCT, "undefined cotangent").trials == ()


def test_each_output_in_turn_is_the_only_one_with_a_cotangent() -> None:
    situation = built(MIN_MAX, "undefined cotangent")
    assert [way.answered for _, way in situation.trials] == [(True, False), (False, True)]
    first, second = truths_of(situation)
    assert first.grad_outputs[0].any()
    assert not first.grad_outputs[1].any()
    assert not second.grad_outputs[0].any()
    # The minimum's cotangent goes where a is the smaller one.
    a, b = (tensor.double() for tensor in first.inputs)
    assert torch.equal(first.gradients[0], torch.where(a < b, first.grad_outputs[0].double(), 0.0))
    assert not situation.has_values


# --- inputs ---------------------------------------------------------------------------------------------------------


STRIDES = {
    "transposed": (90, 30, 1, 6),
    "strided": (180, 60, 10, 2),
    "sliced": (180, 60, 10, 1),
    "channels-last": (90, 1, 15, 3),
    "expanded": (0, 30, 5, 1),
}


@pytest.mark.parametrize("layout", INPUT_LAYOUTS)
def test_each_input_layout_is_met_with_values_and_truth_to_match(layout: str) -> None:
    situation = built(PRODUCT, f"{layout} input")
    ((truth, way),) = situation.trials
    assert situation.has_values
    assert way == Way(input_layout=layout)
    assert tried(PRODUCT, truth, way, lambda x: x.stride()) == [STRIDES[layout]] * 2
    met = iter(tried(PRODUCT, truth, way, lambda x: x.detach().clone()))
    assert all(torch.equal(tensor, next(met)) for tensor in truth.inputs)  # type: ignore[arg-type]


def test_a_function_that_refuses_four_dimensions_keeps_its_own_shape() -> None:
    (truth,) = truths_of(built(MATMUL, "transposed input"))
    assert [tuple(tensor.shape) for tensor in truth.inputs] == [(16, 16), (16, 16)]


def test_0_d_and_empty_inputs_have_no_dimensions_and_no_elements() -> None:
    scalars = truths_of(built(PRODUCT, "0-d"))
    assert {tuple(tensor.shape) for truth in scalars for tensor in truth.inputs} == {()}
    assert len({float(truth.inputs[0]) for truth in scalars}) == len(scalars) == 8
    (empty,) = truths_of(built(PRODUCT, "empty"))
    assert [tensor.numel() for tensor in empty.inputs] == [0, 0]


def test_broadcasts_go_in_every_direction() -> None:
    shapes = [tuple(tuple(tensor.shape) for tensor in truth.inputs) for truth in truths_of(built(PRODUCT, "broadcast"))]
    assert len(shapes) == len(set(shapes)) == 22
    for narrow in ((5,), (4, 1, 1), (3, 1), (4, 1, 5), (1, 3, 1), ()):
        assert ((4, 3, 5), narrow) in shapes
        assert (narrow, (4, 3, 5)) in shapes
    assert ((4, 1), (1, 5)) in shapes
    assert ((1, 5), (4, 1)) in shapes
    assert ((0, 5), (5,)) in shapes
    assert ((5,), (0, 5)) in shapes
    assert ((2, 4, 3, 5), (1, 4, 1, 1)) in shapes


def test_of_three_inputs_each_is_the_widest_in_turn() -> None:
    found = broadcasts(3)
    assert all(len(shapes) == 3 for shapes in found)
    for index in range(3):
        assert tuple("4x3x5" if place == index else "scalar" for place in range(3)) in found


def test_a_long_sum_adds_up_positive_terms_under_a_repeated_one() -> None:
    situation = built(PRODUCT, "long sum", dtype="bfloat16")
    for short, (truth, way) in enumerate(situation.trials):
        assert way.grad_output_layout == "repeated"
        assert [tensor.numel() for tensor in truth.inputs] == [1 if index == short else LONG for index in range(2)]
        assert all((tensor >= 0).all() for tensor in truth.inputs)
        assert truth.gradients[short].item() == pytest.approx(truth.inputs[1 - short].double().sum().item())
    assert len(situation.trials) == 2


def test_partial_asks_for_one_gradient_at_a_time() -> None:
    situation = built(PRODUCT, "partial")
    assert [way.asked for _, way in situation.trials] == [(True, False), (False, True)]
    first, second = truths_of(situation)
    assert first is second


# --- several calls under way, compiled code -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_interleaved_calls_differ_in_what_their_backwards_need(mode: str) -> None:
    situation = built(PRODUCT, "interleaved", mode=mode)
    assert situation.is_interleaved
    first, second, third = truths_of(situation)
    assert not torch.equal(first.inputs[0].nan_to_num(), second.inputs[0].nan_to_num())
    assert not torch.equal(second.inputs[0].nan_to_num(), third.inputs[0].nan_to_num())
    assert not torch.equal(first.grad_outputs[0], third.grad_outputs[0])


@pytest.mark.parametrize("name", names(RELU, mode="compiled"))
def test_compiled_code_meets_its_main_inputs_again_in_their_shape_and_layout(name: str) -> None:
    case = case_of(RELU, mode="compiled")
    (main,) = truths_of(main_situation(case, RELU, 0))
    situation = built(RELU, name, mode="compiled")
    assert {way.input_layout for _, way in situation.trials} == {""}
    for turn, truth in enumerate(truths_of(situation)):
        met = truth.inputs[0].flip(0) if turn % 2 else truth.inputs[0]
        assert torch.equal(met.nan_to_num(1.5), main.inputs[0].nan_to_num(1.5))


def test_compiled_code_meets_inputs_that_no_layout_has_changed() -> None:
    (truth,) = truths_of(built(RELU, "strided cotangent", mode="compiled", layout="expanded"))
    assert not torch.equal(truth.inputs[0][0], truth.inputs[0][1])


def test_two_situations_have_cotangents_of_their_own() -> None:
    (one,), (other,) = (truths_of(built(RELU, f"{layout} cotangent")) for layout in ("strided", "sliced"))
    assert not torch.equal(one.grad_outputs[0], other.grad_outputs[0])
    assert not torch.equal(one.inputs[0], other.inputs[0])


def test_the_seed_decides() -> None:
    one, again, other = (truths_of(built(RELU, "strided cotangent", seed))[0].inputs[0] for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("entry", [RELU, PRODUCT, MIN_MAX])
@pytest.mark.parametrize("layout", ["contiguous", "strided", "expanded"])
def test_hostile_inputs_are_laid_out_by_the_situation_and_not_by_the_case(entry: FunctionEntry, layout: str) -> None:
    (plain,), (laid_out,) = (truths_of(built(entry, "sliced input", layout=each)) for each in ("contiguous", layout))
    assert torch.equal(plain.inputs[0], laid_out.inputs[0])
