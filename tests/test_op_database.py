"""PyTorch's own test inputs of the functions that we implement too, from the database of operators shipped with it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from gradgauge.agreement import Agreement, judge
from gradgauge.calling import Call
from gradgauge.cases import DTYPES
from gradgauge.catalog import Catalog, FunctionEntry
from gradgauge.error_budgets import derive_budgets, sample_truth
from gradgauge.inputs import cotangents
from gradgauge.oracle import tell_truth
from gradgauge.situations import Situation
from gradgauge.trials import Way
from tests.fakes import a_case, a_function, an_entry

OURS = {"mul": "multiply", "nn.functional.relu": "relu"}


def samples_of(operator: str, dtype: torch.dtype) -> list[Any]:
    """Return PyTorch's sample inputs and reference inputs of an operator, the same each time."""
    # Imported here, so that what is missing fails these tests, and not the collection of all.
    from torch.testing._internal.common_methods_invocations import op_db

    found: Any  # torch leaves its methods untyped
    (found,) = (each for each in op_db if each.name == operator and not each.variant_test_name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return [*found.sample_inputs("cpu", dtype, True), *found.reference_inputs("cpu", dtype, True)]


def arguments_of(sample: Any) -> tuple[Any, ...]:
    return (sample.input, *sample.args)


def why_left_out(sample: Any, dtype: torch.dtype) -> str:
    """Return what a sample has that our implementations do not take; empty where there is nothing."""
    arguments = arguments_of(sample)
    dtypes = {str(argument.dtype) for argument in arguments if isinstance(argument, Tensor)}
    if sample.kwargs:
        return f"keyword arguments: {', '.join(sorted(sample.kwargs))}"
    if not dtypes:
        return "numbers alone, no tensor"
    if dtypes != {str(dtype)}:
        return f"promotes dtypes: {', '.join(sorted(dtypes))}"
    others = {type(each).__name__ for each in arguments if not isinstance(each, (Tensor, float, int))}
    return f"arguments that are neither tensors nor numbers: {', '.join(sorted(others))}" if others else ""


def tensors_of(sample: Any, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Return the sample's own tensors, a number among them as a tensor without dimensions."""
    return tuple(
        each.detach() if isinstance(each, Tensor) else torch.tensor(each, dtype=dtype) for each in arguments_of(sample)
    )


def asks_of(sample: Any) -> list[tuple[bool, ...]]:
    """Return which inputs are to be asked for their gradient: every tensor; and those that the sample asks itself."""
    every = tuple(isinstance(each, Tensor) for each in arguments_of(sample))
    own = tuple(isinstance(each, Tensor) and each.requires_grad for each in arguments_of(sample))
    return [every, own] if any(own) and own != every else [every]


def copied(tensor: Tensor) -> Tensor:
    """Return a copy with the same strides, elements that share memory included."""
    span = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True)) + 1
    memory = tensor.as_strided((span if tensor.numel() else 0,), (1,))
    return memory.clone().as_strided(tensor.shape, tensor.stride())


class InPlaceOf(torch.autograd.Function):
    """Another tensor of the same values in place of its input, which the gradient flows back to."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, other: Tensor) -> Tensor:
        return other.detach()

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        return grad_output, None


class OnTheSample:
    """A call on tensors laid out as the sample's own are; `overwritten`: how many of those it wrote into."""

    def __init__(self, call: Call, tensors: tuple[Tensor, ...]) -> None:
        self._call, self._tensors = call, tensors
        self._given: list[tuple[Tensor, Tensor]] = []

    def __call__(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        apply: Callable[..., Tensor] = InPlaceOf.apply
        own = [copied(tensor) for tensor in self._tensors]
        self._given += zip(own, self._tensors, strict=True)
        return self._call(*(apply(x, tensor) for x, tensor in zip(inputs, own, strict=True)))

    @property
    def overwritten(self) -> int:
        return sum(not torch.equal(now.nan_to_num(1.0), was.nan_to_num(1.0)) for now, was in self._given)


def complaints_of(agreement: Agreement) -> Iterator[str]:
    """Yield what is wrong: errors beyond the budget, other finiteness, tensors of the caller that were written into."""
    named = [
        (f"{what} {index}", comparison)
        for what, found in (("value", agreement.values), ("gradient", agreement.gradients))
        for index, parts in enumerate(found)
        for comparison in parts.values()
    ]
    for name, comparison in named:
        if not comparison.is_within_budget:
            yield f"{name}: {comparison.worst}"
        if comparison.nonfinite:
            yield f"{name}: {comparison.nonfinite} of other finiteness; {comparison.worst_nonfinite}"
    yield from (f"writes into {each}" for each in agreement.overwritten)
    yield from agreement.mended


def disagreements(entry: FunctionEntry, dtype: str, samples: list[Any]) -> list[str]:
    """Return what each implementation gets wrong on each of the samples, none of which is to be left out."""
    case = a_case(function=entry.name, dtype=dtype)
    budgets = derive_budgets(entry, sample_truth(case, entry))
    generator = torch.Generator().manual_seed(0)
    found = []
    for sample in samples:
        tensors = tensors_of(sample, getattr(torch, dtype))
        truth = tell_truth(entry, tensors, lambda outputs: cotangents(outputs, generator))
        situation = Situation("op database", tuple((truth, Way(asked=asked)) for asked in asks_of(sample)))
        given = " and ".join(f"{tuple(each.shape)} with strides {each.stride()}" for each in tensors)
        for name, implementation in entry.implementations.items():
            call = OnTheSample(implementation.implementation.call, tensors)
            agreement = judge(case, entry, call, situation, budgets)
            wrong = [*complaints_of(agreement), *["writes into its own inputs"] * bool(call.overwritten)]
            found += [f"{entry.name}/{name}, {dtype}, {given}: {each}" for each in wrong]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("operator", OURS)
def test_every_implementation_agrees_on_pytorchs_own_test_inputs(
    operator: str, dtype: str, catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    entry, torch_dtype = catalog.functions[OURS[operator]], getattr(torch, dtype)
    reasons = [(sample, why_left_out(sample, torch_dtype)) for sample in samples_of(operator, torch_dtype)]
    taken = [sample for sample, reason in reasons if not reason]
    left_out = Counter(reason for _, reason in reasons if reason)
    strided = sum(not all(each.is_contiguous() for each in tensors_of(sample, torch_dtype)) for sample in taken)
    with_number = sum(not all(isinstance(each, Tensor) for each in arguments_of(sample)) for sample in taken)
    said = ", ".join(f"{count} ({reason})" for reason, count in left_out.items()) or "none"
    with capsys.disabled():
        print(  # noqa: T201  (how many there were is to be seen in every run)
            f"\nop database: {operator}, {dtype}: {len(taken)} inputs, {strided} of them not contiguous and "
            f"{with_number} with a number as a 0-d tensor, through {len(entry.implementations)} implementations; "
            f"left out: {said}"
        )
    assert disagreements(entry, dtype, taken) == []
    assert len(taken) > 10 * sum(left_out.values())
    assert strided > 10


class Sample:
    """What the database's samples look like."""

    def __init__(self, *arguments: Any, **kwargs: Any) -> None:
        self.input, *self.args = arguments
        self.kwargs = kwargs


X = torch.tensor([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (Sample(X), ""),
        (Sample(X, 2.5), ""),
        (Sample(2.0, 3.0), "numbers alone, no tensor"),
        (Sample(X, X.double()), "promotes dtypes: torch.float32, torch.float64"),
        (Sample(X, inplace=True), "keyword arguments: inplace"),
        (Sample(X, "2"), "arguments that are neither tensors nor numbers: str"),
    ],
)
def test_what_our_implementations_do_not_take_is_left_out_with_a_reason(sample: Sample, reason: str) -> None:
    assert why_left_out(sample, torch.float32) == reason


def test_every_tensor_is_asked_for_its_gradient_and_then_those_that_the_sample_asks() -> None:
    asking = X.clone().requires_grad_()
    assert asks_of(Sample(X, X)) == [(True, True)]
    assert asks_of(Sample(asking, asking)) == [(True, True)]
    assert asks_of(Sample(X, asking)) == [(True, True), (False, True)]
    assert asks_of(Sample(2.0, X)) == [(False, True)]


LAYOUTS = (
    torch.arange(12.0).reshape(3, 4)[:, ::2],
    torch.arange(6.0).reshape(2, 3).t(),
    torch.arange(3.0).expand(2, 3),
    torch.arange(9.0).as_strided((3, 4), (1, 1), 2),
    torch.zeros(0, 3)[:, ::2],
    torch.tensor(2.0),
)


@pytest.mark.parametrize("tensor", LAYOUTS)
def test_an_implementation_meets_the_strides_of_the_sample(tensor: Tensor) -> None:
    seen: list[Tensor] = []

    def call(x: Tensor) -> Tensor:
        seen.append(x)
        return 2 * x

    entry = an_entry(a_function(gradient_scale=2.0), reference=call)
    assert disagreements(entry, "float32", [Sample(tensor)]) == []
    assert seen[-1].stride() == tensor.stride()
    assert torch.equal(seen[-1], tensor)


def wrong_where_strided(x: Tensor) -> Tensor:
    return 2 * x if x.is_contiguous() else 3 * x


def overwriting(x: Tensor) -> Tensor:
    result = 2 * x
    x.detach().fill_(7.0)
    return result


@pytest.mark.parametrize(
    ("call", "layouts", "said"),
    [
        (lambda x: 2.01 * x, LAYOUTS[5:], ["value 0: ", "gradient 0: "]),
        (wrong_where_strided, LAYOUTS[:1], ["value 0: ", "gradient 0: "]),
        (lambda x: torch.where(x == 2, torch.nan, 2 * x), LAYOUTS[5:], ["value 0: 1 of other finiteness", "gradient"]),
        (overwriting, LAYOUTS[:1], ["writes into its own inputs"]),
    ],
)
def test_a_disagreement_is_told(call: Call, layouts: tuple[Tensor, ...], said: list[str]) -> None:
    entry = an_entry(a_function(gradient_scale=2.0), reference=lambda x: 2 * x, wrong=call)
    found = disagreements(entry, "float32", [Sample(tensor) for tensor in layouts])
    assert len(found) == len(said), found
    for complaint, words in zip(found, said, strict=True):
        assert complaint.startswith("relu/wrong, float32, ")
        assert words in complaint


def test_the_number_of_a_sample_is_a_tensor_without_dimensions() -> None:
    first, second = tensors_of(Sample(X, 2.5), torch.float32)
    assert first.data_ptr() == X.data_ptr()
    assert (second.shape, second.dtype, second.item()) == ((), torch.float32, 2.5)


def test_the_samples_are_the_same_each_time() -> None:
    first, again = (samples_of("mul", torch.float32) for _ in range(2))
    pairs = itertools.chain.from_iterable(
        zip(arguments_of(one), arguments_of(other), strict=True) for one, other in zip(first, again, strict=True)
    )
    for one, other in pairs:
        assert torch.equal(torch.as_tensor(one).nan_to_num(1.0), torch.as_tensor(other).nan_to_num(1.0))
