from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from gradgauge.attempts import Failure, Wrong, attempt
from gradgauge.records import Verdict


def raising(error: BaseException) -> Callable[[], None]:
    def action() -> None:
        raise error

    return action


def test_what_succeeds_is_returned() -> None:
    assert attempt("forward", lambda: 3) == 3


def test_what_raises_fails_in_one_sentence() -> None:
    failure = attempt("backward", raising(ValueError("no\nmore")))
    assert failure == Failure(Verdict.FAIL, "backward raised ValueError: no")


def test_what_our_own_checks_found_is_told_in_their_words() -> None:
    assert attempt("the check", raising(Wrong("2 outputs"))) == Failure(Verdict.FAIL, "2 outputs")


def test_leaving_the_program_is_a_failure_too() -> None:
    assert attempt("forward", lambda: sys.exit(3)) == Failure(Verdict.FAIL, "forward raised SystemExit: 3")


def test_a_compiled_backward_asked_to_keep_its_graph_is_unsupported() -> None:
    text = "This backward function was compiled with non-empty donated buffers which requires create_graph=False"
    failure = attempt("backward", raising(RuntimeError(text)))
    assert isinstance(failure, Failure)
    assert failure.verdict is Verdict.UNSUPPORTED
    assert "donated buffers" in failure.detail


def test_ctrl_c_passes() -> None:
    with pytest.raises(KeyboardInterrupt):
        attempt("forward", raising(KeyboardInterrupt()))
