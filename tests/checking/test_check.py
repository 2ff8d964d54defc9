from __future__ import annotations

import inspect
import os
import pickle
import random
import warnings
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (as everybody calls it)

import gradgauge
from gradgauge.behavior.table import NAMES
from gradgauge.checking import CHECKS, CheckFailed, check
from gradgauge.checking.agreement import MAIN, SITUATIONS, spelled
from gradgauge.records import Verdict
from gradgauge.situations import hostile_situations
from tests.checking.functions import EXAMPLE, QUICK, SiLU, Spike, WrongSign, failed, names_of
from tests.fakes import a_case, a_function, an_entry, twice


def test_every_check_is_named_and_nothing_else() -> None:
    entry = an_entry(a_function(inputs=("x", "y")), reference=torch.mul)
    situations = [spelled(name) for name, _ in hostile_situations(a_case(shape="4x5,4x5"), entry, 0)]
    assert list(map(spelled, SITUATIONS)) == situations
    assert (*MAIN, *situations, "gradcheck", "gradgradcheck", *NAMES) == CHECKS
    assert len(set(CHECKS)) == len(CHECKS)


@pytest.mark.slow
def test_all_checks_run_and_are_told_in_their_order() -> None:
    findings = check(SiLU.apply, inputs=EXAMPLE, reference=F.silu)
    several = {"broadcast", "long_sum", "partial", "mixed_input"}
    assert [finding.check for finding in findings] == [name for name in CHECKS if name not in several]
    assert findings["agreement"].verdict == Verdict.PASS
    with pytest.raises(KeyError):
        findings["broadcast"]
    assert str(findings).startswith("SiLU.apply (float32, cpu, 2x3)\nagreement ")


@pytest.mark.parametrize("option", ["checks", "skip", "require"])
def test_an_unknown_check_is_refused_with_those_there_are(option: str) -> None:
    options: dict[str, Any] = {option: ["aggreement"]}
    with pytest.raises(ValueError, match=rf"^{option} names 'aggreement'; checks are: agreement, edges, .*cuda_graph$"):
        check(SiLU.apply, inputs=EXAMPLE, **options)


def test_what_is_chosen_runs_and_what_is_skipped_does_not() -> None:
    chosen = check(
        WrongSign.apply, inputs=EXAMPLE, checks=["edges", "channels-last input", "gradcheck"], skip="gradcheck"
    )
    assert [finding.check for finding in chosen] == ["edges", "channels_last_input"]


def test_what_is_required_may_not_be_unsupported() -> None:
    assert check(SiLU.apply, inputs=EXAMPLE, checks=["vmap"])["vmap"].verdict == Verdict.UNSUPPORTED
    findings = failed(SiLU.apply, checks=["vmap"], require=["vmap"])
    assert findings["vmap"].detail.startswith("required, and not supported: ")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((), "inputs is empty: check needs an example of each input"),
        (([1.0],), "inputs[0] is list, not a tensor"),
        ((EXAMPLE, torch.ones(2, dtype=torch.int64)), "inputs[1] is torch.int64: only floating tensors have gradients"),
        ((EXAMPLE, EXAMPLE.double()), "inputs differ in dtype or device: torch.float32 on cpu, torch.float64 on cpu"),
    ],
)
def test_inputs_that_have_no_gradients_are_refused(inputs: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        check(SiLU.apply, inputs=inputs)
    assert str(caught.value) == message


def test_the_same_seed_gives_the_same_outcome_and_another_other_numbers() -> None:
    def told(seed: int) -> str:
        found = failed(WrongSign.apply, reference=F.silu, checks=["strided_cotangent", "gradcheck"], seed=seed)
        return found["strided_cotangent"].detail

    torch.manual_seed(5)
    first = told(1)
    torch.manual_seed(6)
    assert told(1) == first
    assert told(2) != first


def test_what_draws_numbers_itself_draws_them_from_the_seed() -> None:
    def noisy(x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand(())

    def told(seed: int) -> str:
        return failed(noisy, reference=lambda x: x * 1, checks=["agreement"], seed=seed)["agreement"].detail

    torch.manual_seed(5)
    first = told(1)
    torch.manual_seed(6)
    assert told(1) == first


def _process() -> tuple[Any, ...]:
    numpys: Any = np.random.get_state()  # noqa: NPY002
    return (
        torch.get_rng_state().tolist(),
        random.getstate(),
        numpys[1].tolist(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        list(warnings.filters),
        dict(os.environ),
    )


class Meddling(SiLU):
    """Changes what it can of the process."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        torch.set_default_dtype(torch.float64)
        random.seed(3)
        np.random.seed(3)  # noqa: NPY002
        warnings.warn("mine", stacklevel=1)
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)


@pytest.mark.slow
def test_nothing_of_the_process_is_left_changed() -> None:
    leaf = EXAMPLE.clone().requires_grad_()
    result = leaf * 1
    before = _process()
    findings = check(SiLU.apply, inputs=result, reference=F.silu)
    assert not findings.of(Verdict.FAIL)
    assert _process() == before
    with torch.no_grad():
        assert names_of(
            failed(Meddling.apply, inputs=leaf, reference=F.silu, checks=["agreement", "global_state"])
        ) == ["global_state"]
        assert not torch.is_grad_enabled()
    assert _process() == before
    assert leaf.grad is None
    assert leaf.requires_grad
    assert torch.equal(leaf, EXAMPLE)
    assert leaf._version == 0


def test_a_wrong_gradient_is_told_once() -> None:
    findings = failed(WrongSign.apply, reference=F.silu, checks=(*QUICK, "double_backward"))
    assert names_of(findings) == ["agreement"]
    assert {each.check for each in findings.of(Verdict.FAIL) if each.same_as == "agreement"} == {
        "strided_cotangent",
        "interleaved",
        "expanded_input",
        "gradcheck",
        "double_backward",
    }


def test_the_package_has_it_by_name_with_types() -> None:
    assert gradgauge.check is check
    assert gradgauge.CheckFailed is CheckFailed
    assert issubclass(CheckFailed, AssertionError)
    hints = inspect.signature(check).return_annotation
    assert hints == "Findings"
    with pytest.raises(AttributeError, match="has no attribute 'checks'"):
        gradgauge.checks  # noqa: B018


def test_a_function_without_parameters_to_name_is_checked_too() -> None:
    assert not check(twice, inputs=EXAMPLE, checks=QUICK).of(Verdict.FAIL)
    assert names_of(failed(Spike.apply, checks=["gradcheck"])) == ["gradcheck"]


class TimesOne(torch.autograd.Function):
    """A mean of squares, its gradient half as large again as it should be."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return (x * x).mean()

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        slope: torch.Tensor = grad_output * 3 * x / x.numel()
        return slope


@pytest.mark.parametrize("shape", [(2, 3), (16, 16), (64, 64)])
def test_a_small_gradient_that_is_wrong_is_found_without_a_reference(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    assert names_of(failed(TimesOne.apply, inputs=x, checks=["agreement", "gradcheck"])) == ["gradcheck"]


def test_who_cannot_be_looked_at_does_not_pass() -> None:
    def single(x: torch.Tensor) -> torch.Tensor:
        return F.silu(x.float())

    detail = failed(single, inputs=EXAMPLE, checks=QUICK)["agreement"].detail
    assert detail.startswith("nothing could look at the gradient, give a reference: ")
    assert check(single, inputs=EXAMPLE, checks=["agreement", "repeatable"])["agreement"].verdict == Verdict.UNSUPPORTED


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"edges": 2.0}, TypeError, r"edges = 2\.0 is no sequence of numbers"),
        ({"edges": "abc"}, TypeError, "edges = 'abc' is no sequence of numbers"),
        ({"checks": []}, ValueError, "checks and skip leave nothing to check"),
        ({"skip": ["vmap"], "require": ["vmap"]}, ValueError, "require names what does not run: vmap"),
        ({"reference": lambda x, y: x}, ValueError, "the reference raised on the examples"),
        ({"inputs": EXAMPLE.to(torch.float8_e4m3fn)}, TypeError, "what can be checked is float64, "),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        check(SiLU.apply, **{"inputs": EXAMPLE, **options})


def test_a_class_is_refused_and_so_is_inference_mode() -> None:
    with pytest.raises(TypeError, match=r"SiLU is a class; pass SiLU\.apply"):
        check(SiLU, inputs=EXAMPLE)  # type: ignore[arg-type]
    with torch.inference_mode(), pytest.raises(RuntimeError, match="inference_mode"):
        check(SiLU.apply, inputs=EXAMPLE)


def test_what_is_required_must_pass() -> None:
    found = failed(SiLU.apply, inputs=EXAMPLE, reference=F.silu, checks=["opcheck"], require=["opcheck"])
    assert found["opcheck"].detail == "required, and not applicable: uses no custom operator"


def test_a_failure_survives_a_pool_of_processes() -> None:
    with pytest.raises(CheckFailed) as caught:
        check(WrongSign.apply, inputs=EXAMPLE, reference=F.silu, checks=["agreement"])
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.findings) == (str(caught.value), caught.value.findings)


def test_who_seeds_with_the_very_seed_of_the_check_is_seen() -> None:
    def seeding(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        return x.tanh()

    finding = failed(seeding, inputs=EXAMPLE, checks=["global_state"], seed=0)["global_state"]
    assert finding.detail == "changes torch's random numbers"
    assert "print(before == state())" in finding.snippet
