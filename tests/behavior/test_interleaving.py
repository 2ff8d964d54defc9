from __future__ import annotations

import sys
import threading

import pytest

from gradgauge.behavior.interleaving import MOST_LINES, interleave, is_in_question


def test_the_second_call_is_made_whole_before_each_line_of_the_first() -> None:
    seen: list[str] = []

    def first() -> str:
        seen.append("a")
        seen.append("b")
        return "first"

    def second() -> str:
        seen.append(threading.current_thread().name)
        return "second"

    found = interleave(first, second)
    assert found.interrupted == "first"
    assert found.meanwhile == ["second"] * 3
    other = seen[0]
    assert other != threading.main_thread().name
    assert seen == [other, "a", other, "b", other]


def test_a_second_call_that_waits_for_the_first_is_left_to_end_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradgauge.behavior.interleaving.PATIENCE_S", 0.01)
    lock = threading.Lock()

    def call() -> str:
        with lock:
            held = "held"
            return held  # noqa: RET504  (a line while the lock is held)

    found = interleave(call, call)
    assert {found.interrupted, *found.meanwhile} == {"held"}


def test_a_long_call_is_interrupted_at_its_first_lines_alone() -> None:
    calls: list[int] = []

    def first() -> int:
        total = 0
        for number in range(2 * MOST_LINES):
            total += number
        return total

    assert interleave(first, lambda: len(calls)).interrupted == sum(range(2 * MOST_LINES))
    assert len(interleave(first, lambda: len(calls)).meanwhile) == MOST_LINES


@pytest.mark.parametrize("who", ["first", "second"])
def test_what_either_raises_is_raised_and_the_trace_is_put_back(who: str) -> None:
    def call(name: str) -> str:
        if name == who:
            raise ValueError(name)
        return name

    before = sys.gettrace()
    with pytest.raises(ValueError, match=who):
        interleave(lambda: call("first"), lambda: call("second"))
    assert sys.gettrace() is before


def test_lines_of_pytorch_of_python_and_of_this_project_are_nobodys_own() -> None:
    import torch.nn.functional

    import gradgauge.calling
    import gradgauge.plugin

    for module in (threading, torch.nn.functional, gradgauge.calling, sys.modules[interleave.__module__]):
        assert not is_in_question(str(module.__file__))
    assert not is_in_question("<string>")
    assert is_in_question(__file__)
    assert is_in_question(str(gradgauge.plugin.__file__).replace("plugin.py", "implementations/relu/where.py"))
