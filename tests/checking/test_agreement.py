from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from gradgauge.checking import CheckFailed, check
from gradgauge.checking.agreement import MAIN
from gradgauge.records import Verdict
from tests.checking import functions as given
from tests.checking.functions import EXAMPLE, QUICK, Call, failed, names_of, run_snippet

PAIR = (EXAMPLE, EXAMPLE.flip(0))
LAYER = (EXAMPLE, torch.tensor([[0.3, -1.2, 0.8], [1.1, 0.2, -0.7]]), torch.tensor([0.5, -0.25]))


def last_softmax(x: Tensor) -> Tensor:
    return torch.softmax(x, -1)


def sin_cos(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.sin(), x.cos()


@pytest.mark.parametrize(
    ("fn", "options"),
    [
        (given.SiLU.apply, {"reference": F.silu}),
        (given.SiLU.apply, {}),
        *((given.SiLU.apply, {"reference": F.silu, "inputs": x}) for x in (
            EXAMPLE.double(), EXAMPLE.bfloat16(), EXAMPLE.half(), torch.tensor(1.3), torch.zeros(0, 3), torch.zeros(3),
            torch.ones(1), EXAMPLE.t(), EXAMPLE[:1].expand(4, 3), torch.nn.Parameter(EXAMPLE),
        )),
        (given.SiLU.apply, {"reference": F.silu, "edges": (1.5, float("inf"), float("nan"))}),
        (given.GELU.apply, {"reference": F.gelu}),
        (F.gelu, {}),
        (given.Rounding.apply, {"reference": given.rounding}),
        (given.Spike.apply, {"reference": given.spike, "edges": (0,)}),
        (given.Quantizing.apply, {"reference": given.quantizing, "inputs": (EXAMPLE, torch.tensor(0.3))}),
        (given.Softmax.apply, {"reference": last_softmax}),
        (given.Largest.apply, {"reference": lambda x: x.max(-1).values}),
        (lambda x: F.layer_norm(x, x.shape[-1:]), {"skip": ("gradcheck",)}),
        (given.Linear.apply, {"reference": F.linear, "inputs": LAYER}),
        (given.Linear.apply, {"reference": F.linear, "inputs": tuple(each.bfloat16() for each in LAYER)}),
        (torch.matmul, {"reference": lambda a, b: (a.unsqueeze(-1) * b).sum(-2), "inputs": (EXAMPLE, LAYER[1].t())}),
        (given.Times.apply, {"reference": torch.mul, "inputs": PAIR}),
        (given.SinCos.apply, {"reference": sin_cos}),
        (torch.sum, {}),
        (torch.log, {"inputs": EXAMPLE.abs()}),
    ],
)  # fmt: skip
def test_what_is_right_passes(fn: Call, options: dict[str, Any]) -> None:
    inputs = options.get("inputs", EXAMPLE)
    chosen = [name for name in QUICK if name not in options.get("skip", ())]
    findings = check(fn, **({"inputs": inputs} | options | {"checks": chosen, "skip": ()}))
    assert findings["agreement"].verdict == Verdict.PASS
    assert not findings.of(Verdict.FAIL)


@pytest.mark.parametrize(
    ("fn", "options", "wrong"),
    [
        (given.WrongSign.apply, {"reference": F.silu}, "agreement"),
        (given.WrongAtAnEdge.apply, {"reference": F.silu, "edges": [1.5]}, "agreement"),
        (given.WrongAtAnEdge.apply, {"reference": F.silu}, ""),
        (given.WrongWhereStrided.apply, {"reference": F.silu}, "strided_cotangent"),
        (given.WrongWhereExpanded.apply, {"reference": F.silu}, "expanded_input"),
        (given.Overflowing.apply, {"reference": F.softplus}, "agreement nonfinite"),
        (given.Stashing.apply, {"reference": F.silu}, "interleaved"),
        (given.RefusingBackward.apply, {"reference": F.silu}, "agreement"),
        (given.DiagonalSoftmax.apply, {"reference": last_softmax}, "agreement"),
        (given.NaiveSoftmax.apply, {"reference": last_softmax}, "agreement edges"),
        (given.MeanBias.apply, {"reference": F.linear, "inputs": LAYER}, "agreement"),
        (given.WrongSecond.apply, {"reference": torch.mul, "inputs": PAIR}, "agreement nonfinite"),
        (given.Times.apply, {"reference": torch.mul, "inputs": (EXAMPLE, EXAMPLE[0])}, "agreement"),
        (given.WrongCos.apply, {"reference": sin_cos}, "agreement"),
        (given.WrongSign.apply, {}, "gradcheck"),
        (lambda x: F.silu(x).detach(), {"reference": F.silu}, "agreement gradcheck"),
        (lambda x: F.silu(x.float()), {"reference": F.silu, "inputs": EXAMPLE.double()}, "agreement"),
        (lambda x: F.silu(x) + 1e-5, {"reference": F.silu}, "agreement"),
        (lambda x: torch.log(1 + x), {"reference": torch.log1p, "inputs": EXAMPLE.abs()}, "agreement"),
        (lambda x: [x], {"reference": lambda x: x * 1}, "agreement"),
        (lambda x: (x * 2,), {"reference": lambda x: x * 2}, "agreement"),
    ],
)
def test_what_is_wrong_is_found_where_it_is(fn: Call, options: dict[str, Any], wrong: str) -> None:
    if not wrong:
        assert not check(fn, inputs=EXAMPLE, checks=QUICK, **options).of(Verdict.FAIL)
        return
    assert names_of(failed(fn, **options, checks=QUICK)) == wrong.split()


def test_an_edge_that_is_given_is_met_and_a_kink_there_is_nobody_s_fault() -> None:
    def written(x: Tensor) -> Tensor:
        return torch.where((x.abs() < 0.7) | x.isnan(), x, 0.7 * x.sign())

    findings = check(written, inputs=EXAMPLE, reference=lambda x: x.clamp(-0.7, 0.7), edges=[-0.7, 0.7], checks=MAIN)
    assert findings["agreement"].verdict == Verdict.PASS


def test_a_reference_that_is_exact_leaves_room_for_roundings() -> None:
    findings = check(
        lambda x: x * 3 / 3, inputs=EXAMPLE, reference=lambda x: x * 1, checks=["agreement", "interleaved"]
    )
    assert {finding.verdict for finding in findings} == {Verdict.PASS}


def test_gradients_that_cancel_for_equal_cotangents_have_a_scale_still() -> None:
    findings = check(given.Softmax.apply, inputs=EXAMPLE, reference=last_softmax, checks=["repeated_cotangent"])
    assert findings["repeated_cotangent"].verdict == Verdict.PASS


def test_who_refuses_a_shape_loudly_is_unsupported_there() -> None:
    findings = check(given.RefusingEmpty.apply, inputs=EXAMPLE, reference=F.silu, checks=["empty", "agreement"])
    assert (findings["empty"].verdict, findings["agreement"].verdict) == (Verdict.UNSUPPORTED, Verdict.PASS)
    assert "max(): Expected reduction dim" in findings["empty"].detail


def test_a_sum_that_autograd_adds_is_unsupported_where_the_examples_have_one_shape() -> None:
    options: dict[str, Any] = {"inputs": PAIR, "reference": torch.mul, "checks": ["broadcast", "long_sum"]}
    findings = check(given.Times.apply, **options)
    assert [finding.verdict for finding in findings] == [Verdict.UNSUPPORTED] * 2
    assert findings["broadcast"].detail == "gradient 1 came with shape (4, 3, 5), its input has (5,)"
    assert names_of(failed(given.WrongSecond.apply, **options)) == ["broadcast"]


def test_a_reference_that_raises_is_no_fault_of_the_function() -> None:
    def broken(x: Tensor) -> Tensor:
        raise RuntimeError(f"no reference for {tuple(x.shape)}")

    with pytest.raises(ValueError, match=r"the reference raised .*RuntimeError: no reference for \(2, 3\)"):
        check(given.SiLU.apply, inputs=torch.ones(2, 3), reference=broken)
    with pytest.raises(ValueError, match=r"output 0 of the reference is torch\.float32 for float64 inputs"):
        check(given.SiLU.apply, inputs=torch.ones(2, 3), reference=lambda x: x.float())


class ScaledClamp(torch.autograd.Function):
    """Right but for the gradient of x between 4000 and 6000."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(x, scale)
        return x.clamp(-1, 1) * scale

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        x, scale = ctx.saved_tensors
        passes = ((x >= -1) & (x <= 1)) | ((x > 4000) & (x < 6000))
        return torch.where(passes, grad_output * scale, 0), (grad_output * x.clamp(-1, 1)).sum_to_size(scale.shape)


def test_edges_are_tried_in_inputs_of_unlike_shapes_too() -> None:
    examples = (torch.linspace(-2, 2, 30).reshape(5, 6), torch.tensor(0.5))
    options: dict[str, Any] = {
        "inputs": examples,
        "reference": lambda x, s: x.clamp(-1, 1) * s,
        "checks": ["agreement", "edges"],
    }
    check(ScaledClamp.apply, edges=[3.0], **options)
    with pytest.raises(CheckFailed) as caught:
        check(ScaledClamp.apply, edges=[3.0, 5000.0], **options)
    assert [each.check for each in caught.value.findings.of(Verdict.FAIL)] == ["edges"]
    assert "x = [5000]" in caught.value.findings["edges"].example


def test_attention_is_right_beside_its_formula() -> None:
    def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, -1) @ v

    generator = torch.Generator().manual_seed(0)
    examples = [torch.randn(2, 5, 8, generator=generator) for _ in range(3)]
    check(F.scaled_dot_product_attention, inputs=examples, reference=attention, checks=["agreement", "edges"])


def test_edges_that_would_fill_too_many_tensors_are_left_out_and_it_is_said() -> None:
    findings = check(given.Linear.apply, inputs=LAYER, reference=F.linear, checks=["agreement", "edges"])
    assert findings["edges"].verdict == Verdict.NOT_APPLICABLE
    assert findings["edges"].detail == "no room for it"


@pytest.mark.parametrize(
    ("fn", "options", "example", "printed"),
    [
        (
            given.WrongSign.apply,
            {"reference": F.silu},
            "x = [1.7], cotangent [1]\n  gradient of x: expected [1.067565], found [-1.067564]",
            [("tensor([-1.0676])", "[1.067565]")],
        ),
        (
            given.WrongSecond.apply,
            {"reference": torch.mul, "inputs": PAIR},
            "x = [2], y = [-1], cotangent [1]\n  gradient of y: expected [2], found [-1]",
            [("tensor([-1.])", "[-1]"), ("tensor([-1.])", "[2]")],
        ),
        (
            given.DiagonalSoftmax.apply,
            {"reference": last_softmax},
            "x = [[0.4, 2]], cotangent [[1, 1]]\n  gradient of x: expected [[0, 0]], found [[0.1397638, 0.1397638]]",
            [("tensor([[0.1398, 0.1398]])", "[[0, 0]]")],
        ),
    ],
)
def test_the_smallest_input_is_told_and_the_snippet_shows_it(
    fn: Call, options: dict[str, Any], example: str, printed: list[tuple[str, str]]
) -> None:
    finding = failed(fn, **options, checks=["agreement"])["agreement"]
    said = run_snippet(finding.snippet)
    assert finding.example == f"smallest input that shows it: {example}"
    assert said[-len(printed) :] == printed


def test_of_calls_that_run_at_once_two_of_one_element_are_told() -> None:
    finding = failed(given.Stashing.apply, reference=F.silu, checks=["interleaved"])["interleaved"]
    assert finding.snippet.count(".backward(") == 2
    assert finding.snippet.count("Stashing.apply(") == 2
    assert finding.example.startswith("call 1 of those that show it: x = [[[[")
    wrong = [
        (got, right) for got, right in run_snippet(finding.snippet) if f"{float(right.strip('[]')):.4f}" not in got
    ]
    assert len(wrong) == 1


def test_a_layout_that_matters_is_in_the_snippet() -> None:
    strided = failed(given.WrongWhereStrided.apply, reference=F.silu, checks=["strided_cotangent"])["strided_cotangent"]
    assert ".repeat_interleave(2, dim=-1)[..., ::2])" in strided.snippet
    assert "(strided)\n  gradient of x: expected [" in strided.example
    expanded = failed(given.WrongWhereExpanded.apply, reference=F.silu, checks=["expanded_input"])["expanded_input"]
    assert "[:1].expand((2, 1, 1, 1)).detach().requires_grad_()" in expanded.snippet
