from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from gradgauge import lifeline
from tests.fakes import environment
from tests.test_supervisor import alive

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(1000)
"""
CHILD = "import time; from gradgauge.lifeline import die_with_parent; die_with_parent(); print(1, flush=True); time.sleep(1000)"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's promise is Linux's")
def test_a_process_whose_parent_is_killed_goes_with_it() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, env=environment())
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert alive(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(200):
        if not alive(child):
            break
        time.sleep(0.05)
    assert not alive(child)


def test_where_the_kernel_is_another_nothing_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifeline.sys, "platform", "darwin")
    monkeypatch.setattr(lifeline.ctypes, "CDLL", pytest.fail)
    lifeline.die_with_parent()


def test_the_kernel_is_asked_to_take_this_process_first(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, str]] = []
    monkeypatch.setattr(Path, "write_text", lambda self, text, encoding: written.append((str(self), text)))
    lifeline.die_first()
    assert written == [("/proc/self/oom_score_adj", "1000")]


def test_where_it_may_not_be_asked_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "write_text", refuse)
    lifeline.die_first()
