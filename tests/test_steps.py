from __future__ import annotations

import pytest

from gradgauge.steps import CaseStep, LoadStep, read_step
from tests.fakes import a_case


@pytest.mark.parametrize(
    "step", [CaseStep("speed", a_case(shape="4x3,3"), "warming up"), LoadStep("/a b/relu/where.py")]
)
def test_a_step_reads_back_as_it_was_told(step: CaseStep | LoadStep) -> None:
    assert read_step(str(step)) == step


@pytest.mark.parametrize("text", ["", "starting", "importing torch", '{"suite": "sp'])
def test_what_is_nobodys_step_charges_nobody(text: str) -> None:
    assert read_step(text) is None
