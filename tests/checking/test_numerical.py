from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError

from gradgauge.checking import check
from gradgauge.records import Verdict
from tests.checking.functions import EXAMPLE, SiLU, Spike, WrongSign, WrongTwice, failed, spike

BOTH = ("gradcheck", "gradgradcheck")


def test_one_element_is_told_with_both_slopes_and_the_snippet_prints_the_wrong_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    finding = failed(WrongSign.apply, checks=["gradcheck"])["gradcheck"]
    assert finding.example == (
        "smallest input that shows it: x = [1.7]\n  gradient of x: expected 1.067565 (numerically), found -1.067565"
    )
    exec(finding.snippet, {})
    assert capsys.readouterr().out == "tensor([-1.0676], dtype=torch.float64)\n"


def test_a_second_derivative_alone_may_be_wrong() -> None:
    findings = failed(WrongTwice.apply, checks=BOTH)
    assert [finding.verdict for finding in findings] == [Verdict.PASS, Verdict.FAIL]
    with pytest.raises(GradcheckError):
        exec(findings["gradgradcheck"].snippet, {})


def test_what_the_reference_does_not_pass_either_is_not_asked() -> None:
    finding = check(Spike.apply, inputs=EXAMPLE, reference=spike, checks=["gradcheck"])["gradcheck"]
    assert finding.verdict == Verdict.NOT_APPLICABLE
    assert finding.detail.startswith("the reference does not pass it either: gradcheck: ")


def test_without_float64_differences_mean_nothing() -> None:
    def single(x: Tensor) -> Tensor:
        if x.dtype == torch.float64:
            raise TypeError("single precision, please")
        return x * 2

    findings = check(single, inputs=EXAMPLE, reference=lambda x: x * 2, checks=BOTH)
    assert {finding.verdict for finding in findings} == {Verdict.UNSUPPORTED}
    assert findings["gradcheck"].detail.endswith("mean something: TypeError: single precision, please")
    rounded = check(lambda x: x.float() * 2, inputs=EXAMPLE, reference=lambda x: x * 2, checks=["gradcheck"])[
        "gradcheck"
    ]
    assert rounded.detail == "output 0 is torch.float32 for float64 inputs, where differences mean something"
    assert check(SiLU.apply, inputs=EXAMPLE, checks=["gradcheck"])["gradcheck"].verdict == Verdict.PASS
