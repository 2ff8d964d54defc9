from __future__ import annotations

from gradgauge.checking import CheckFailed, Finding, Findings
from gradgauge.records import Verdict

FINDINGS = Findings(
    "f (float32, cpu, 2)",
    (
        Finding(
            "agreement", Verdict.FAIL, "off by 2", "smallest input: x = 1\n  expected 1, found 2", "import torch\nf(1)"
        ),
        Finding("edges", Verdict.FAIL, "off by 2", same_as="agreement"),
        Finding("nonfinite", Verdict.PASS),
        Finding("vmap", Verdict.UNSUPPORTED, "refuses"),
        Finding("opcheck", Verdict.NOT_APPLICABLE, "no operator"),
    ),
)

MESSAGE = """\
f (float32, cpu, 2): 2 of 4 checks failed

✗ agreement: off by 2
  met again in: edges
  smallest input: x = 1
    expected 1, found 2
  in plain PyTorch:
      import torch
      f(1)

passed: nonfinite
not supported, and allowed to be: vmap"""


def test_the_message_tells_each_fault_once_and_what_passed() -> None:
    assert str(CheckFailed(FINDINGS)) == MESSAGE
    assert CheckFailed(FINDINGS).findings is FINDINGS


def test_of_many_faults_the_last_are_a_line_each() -> None:
    many = Findings(
        "f", tuple(Finding(f"check{n}", Verdict.FAIL, f"wrong {n}", snippet=f"line{n}()") for n in range(6))
    )
    message = str(CheckFailed(many))
    assert [f"line{n}()" in message for n in range(6)] == [True] * 4 + [False] * 2
    assert "\n\n✗ check4: wrong 4\n✗ check5: wrong 5\n\npassed: nothing" in message


def test_findings_are_a_table_and_a_sequence() -> None:
    assert len(FINDINGS) == 5
    assert FINDINGS["vmap"].detail == "refuses"
    assert str(FINDINGS).splitlines()[3:5] == ["nonfinite  pass", "vmap       unsupported     refuses"]
