from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gradgauge.attempts import NotApplicable, Unsupported, Wrong
from gradgauge.behavior.subject import (
    Run,
    Subject,
    difference,
    direction_like,
    expect_near,
    expect_same_run,
    first_unlike,
    float64_samples,
    identical,
    may_refuse,
    rounding_tolerance,
)
from gradgauge.calling import Call
from tests.behavior.test_capture import doubled
from tests.behavior.trying import a_subject

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("got", "right"),
    [
        ([], []),
        ([0.0], [0.0]),
        ([1.0, 100.0], [1.05, 100.0]),  # relative to the largest element
        ([NAN, 1.0], [NAN, 1.0]),
        ([INF, -INF, 1.0], [INF, -INF, 1.0]),
    ],
)
def test_no_difference(got: list[float], right: list[float]) -> None:
    assert difference(torch.tensor(got), torch.tensor(right), 1e-3) == ""


@pytest.mark.parametrize(
    ("got", "right", "said"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.5, 3.0], "2 where 2.5 is right, at flat index 1"),
        ([0.0, 1e-30], [0.0, 0.0], "1e-30 where 0 is right, at flat index 1"),  # beside zeros nothing is near
        ([NAN], [1.0], "nan where 1 is right, at flat index 0"),
        ([1.0], [NAN], "1 where nan is right, at flat index 0"),
        ([INF, 1.0], [-INF, 1.0], "inf where -inf is right, at flat index 0"),
        ([1.0, INF], [1.0, 2.0], "inf where 2 is right, at flat index 1"),
        ([NAN], [INF], "nan where inf is right, at flat index 0"),
        ([1.0, 2.0], [1.0], "shape (2,) where (1,) is right"),
        ([], [1.0], "shape (0,) where (1,) is right"),
    ],
)
def test_where_two_tensors_differ_most(got: list[float], right: list[float], said: str) -> None:
    assert difference(torch.tensor(got), torch.tensor(right), 1e-3) == said


def test_a_tensor_of_no_dimensions_is_compared_too() -> None:
    assert difference(torch.tensor(1.0), torch.tensor(2.0), 1e-3) == "1 where 2 is right, at flat index 0"


def test_near_names_the_tensor_where_there_are_several() -> None:
    one, two = torch.ones(1), torch.full((1,), 2.0)
    expect_near("the value", [one, two], [one, two], 1e-3)
    with pytest.raises(Wrong, match=r"^the value is 1 where 2 comes of the call itself"):
        expect_near("the value", [one], [two], 1e-3)
    with pytest.raises(Wrong, match=r"^the value 1 is 1 where 2 comes of the call itself"):
        expect_near("the value", [one, one], [one, two], 1e-3)
    with pytest.raises(Wrong, match=r"^the value: 1 tensors where 2 are right"):
        expect_near("the value", [one], [one, two], 1e-3)


def test_runs_are_compared_by_value_and_by_gradient() -> None:
    one, two = (torch.ones(1),), (torch.full((1,), 2.0),)
    expect_same_run(Run(one, two), Run(one, two), 1e-3)
    with pytest.raises(Wrong, match=r"^twice, the value is"):
        expect_same_run(Run(two, two), Run(one, two), 1e-3, "twice, ")
    with pytest.raises(Wrong, match=r"^the gradient is"):
        expect_same_run(Run(one, one), Run(one, two), 1e-3)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ([1.0, NAN], [1.0, NAN], True),
        ([0.0], [-0.0], False),
        ([1.0], [1.0 + 2**-23], False),
        ([1.0], [1.0, 1.0], False),
        ([NAN], [1.0], False),
        ([], [], True),
    ],
)
def test_bits(one: list[float], other: list[float], is_same: bool) -> None:
    assert identical(torch.tensor(one), torch.tensor(other)) is is_same


def test_another_dtype_holds_other_bits() -> None:
    assert not identical(torch.ones(1), torch.ones(1, dtype=torch.float64))


def test_which_of_several_holds_other_bits() -> None:
    one, two = torch.ones(1), torch.zeros(1)
    assert first_unlike("gradient", [one, one], [one, one]) == ""
    assert first_unlike("gradient", [one, one], [one, two]) == "gradient 1"
    assert first_unlike("gradient", [one], [two]) == "gradient"


def test_directions_depend_on_shape_and_purpose_alone_and_are_far_from_zero() -> None:
    subject = a_subject(torch.tanh)
    like = [torch.zeros(50), torch.ones(50)]
    first, second = subject.directions(like)
    assert torch.equal(first, subject.directions([torch.rand(50)])[0])
    assert not torch.equal(first, second)
    assert not torch.equal(first, subject.directions(like, 1)[0])
    assert 0.5 <= float(first.abs().min()) <= float(first.abs().max()) <= 1.5
    assert {float(sign) for sign in first.sign()} == {-1.0, 1.0}
    assert direction_like(torch.zeros(3, dtype=torch.float64), 0).dtype == torch.float64


def test_inputs_are_copies() -> None:
    subject = a_subject(torch.tanh)
    for tensors in (subject.plain(), subject.leaves()):
        assert tensors[0].data_ptr() != subject.samples[0][0].data_ptr()
        assert torch.equal(tensors[0], subject.samples[0][0])
    assert not subject.plain()[0].requires_grad
    assert subject.leaves(1)[0].requires_grad
    assert torch.equal(subject.plain(2)[0], subject.samples[2][0])
    (upcast,) = float64_samples(subject)
    assert upcast.dtype == torch.float64
    assert upcast.requires_grad


def test_a_run_is_the_call_s_value_and_gradient_under_the_cotangents() -> None:
    subject = a_subject(lambda x: 3 * x)
    run = subject.run(sample=1)
    assert torch.equal(run.values[0], 3 * subject.samples[1][0])
    assert torch.equal(run.gradients[0], 3 * subject.directions(run.values)[0])
    assert torch.equal(subject.run(lambda x: 2 * x).values[0], 2 * subject.samples[0][0])


def test_a_run_holds_memory_of_its_own() -> None:
    buffer = torch.zeros(3, 4)
    subject = a_subject(lambda x: buffer.copy_(x.detach()))
    first = subject.run()
    subject.run(sample=1)
    assert torch.equal(first.values[0], subject.samples[0][0])


def test_a_call_that_is_false_is_called_all_the_same() -> None:
    class Empty(torch.nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    assert not Empty()
    subject = a_subject(torch.tanh)
    assert torch.equal(subject.run(Empty()).values[0], 2 * subject.samples[0][0])


def test_the_scalar_s_gradient_is_the_run_s() -> None:
    subject = a_subject(lambda x: (x * x, 3 * x))
    leaves = subject.leaves()
    scalar = subject.scalar()(*leaves)
    assert isinstance(scalar, Tensor)
    (gradient,) = torch.autograd.grad(scalar, leaves)
    assert torch.allclose(gradient, subject.run().gradients[0])


def test_a_subject_apart_has_a_call_of_its_own_that_was_called_before() -> None:
    called: list[str] = []

    def doubling(x: Tensor) -> Tensor:
        called.append("own")
        return 2 * x

    subject = replace(a_subject(torch.tanh), reload=lambda: doubling)
    own = subject.apart()
    assert called == ["own"]
    assert torch.equal(own.run().values[0], 2 * subject.samples[0][0])
    compiled = replace(subject, mode="compiled")
    assert compiled.apart() is compiled  # a call that is loaded anew is not compiled
    plain = a_subject(torch.tanh)
    assert plain.apart() is plain


def test_what_must_not_be_loaded_again_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Call:
        raise RuntimeError("loaded again")

    assert replace(a_subject(torch.tanh), reload=refuse).loaded_anew() is None
    subject = replace(a_subject(doubled), reload=lambda: torch.tanh)
    assert subject.loaded_anew() is None  # its operator would be freed
    assert subject.apart() is subject
    assert replace(a_subject(torch.tanh), reload=lambda: torch.sin).loaded_anew() is torch.sin


def test_what_a_call_refuses_is_unsupported_and_what_it_does_wrong_stays_wrong() -> None:
    with pytest.raises(Unsupported, match=r"^jvp: RuntimeError: not here"), may_refuse("jvp"):
        raise RuntimeError("not here\nnor there")
    for kind in (Wrong, NotApplicable, Unsupported):
        with pytest.raises(kind, match=r"^said$"), may_refuse("jvp"):
            raise kind("said")


def test_a_subject_lies_where_its_inputs_lie() -> None:
    subject: Subject = a_subject(torch.tanh, dtype=torch.float64)
    assert subject.device == torch.device("cpu")
    assert subject.dtype == torch.float64
    assert rounding_tolerance(torch.float64) == 16 * 2**-52
