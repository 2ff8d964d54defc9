from __future__ import annotations

import warnings

import pytest
import torch

from gradgauge.attempts import NotApplicable, Unsupported, Wrong
from gradgauge.behavior.subject import Subject
from gradgauge.behavior.table import BEHAVIORS, EXPECTABLE, NAMES, Behavior, in_order, try_behavior
from gradgauge.records import Verdict
from tests.behavior.trying import a_subject


def says(outcome: Exception | str) -> Behavior:
    def check(subject: Subject) -> str:
        """Ask something.

        And explain it.
        """
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return Behavior(check)


@pytest.mark.parametrize(
    ("outcome", "verdict", "detail"),
    [
        ("float32 out", Verdict.PASS, "float32 out"),
        (Wrong("is wrong"), Verdict.FAIL, "is wrong"),
        (Unsupported("cannot"), Verdict.UNSUPPORTED, "cannot"),
        (NotApplicable("no question"), Verdict.NOT_APPLICABLE, "no question"),
        (ValueError("odd"), Verdict.FAIL, "check raised ValueError: odd"),
    ],
)
def test_what_a_check_says_becomes_a_verdict(outcome: Exception | str, verdict: Verdict, detail: str) -> None:
    found = try_behavior(says(outcome), a_subject(torch.tanh))
    assert (found.verdict, found.detail) == (verdict, detail)


def test_a_check_of_another_mode_is_not_tried() -> None:
    eager = Behavior(says(Wrong("tried")).check, ("eager",))
    found = try_behavior(eager, a_subject(torch.tanh, mode="compiled"))
    assert (found.verdict, found.detail) == (Verdict.NOT_APPLICABLE, "asked of the call itself, in eager mode")
    assert try_behavior(eager, a_subject(torch.tanh)).verdict == Verdict.FAIL


def test_a_check_s_warnings_are_kept_silent_and_the_filters_as_they_were() -> None:
    def check(subject: Subject) -> str:
        warnings.warn("loud", UserWarning, stacklevel=1)
        return ""

    before = list(warnings.filters)
    assert try_behavior(Behavior(check), a_subject(torch.tanh)).verdict == Verdict.PASS
    assert list(warnings.filters) == before


def test_what_disturbs_is_tried_last_and_nothing_twice() -> None:
    order = in_order()
    assert sorted(each.name for each in order) == sorted(NAMES)
    assert len(set(NAMES)) == len(NAMES) == len(BEHAVIORS) == 24
    flags = [each.disturbs for each in order]
    assert flags == sorted(flags)
    disturbing = {each.name for each in order if each.disturbs}
    assert disturbing == {"saved_unchanged"}


def test_each_has_a_question_and_a_metric_that_may_be_expected_to_fail() -> None:
    for behavior in BEHAVIORS:
        assert behavior.question.endswith((".", "?"))
        assert behavior.question[0].isupper()
        assert behavior.metric in EXPECTABLE
        assert (behavior.metric.name, behavior.metric.help) == (behavior.name, behavior.question)
    assert says("").question == "Ask something."
