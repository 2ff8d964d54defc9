from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from calibration.bursts import burn, bursts
from calibration.figures import Problem
from calibration.running import child_environment
from tests.fakes import is_gone_soon

PARENT = """
import time
from calibration.bursts import bursts
with bursts(0.01, 0.01) as load:
    print(load.process.pid, flush=True)
    time.sleep(1000)
"""


def test_bursts_and_pauses_take_turns_for_as_long_as_the_parent_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    slept_s: list[float] = []
    parents = [7, 7, 7, 1]

    def tick() -> float:
        now_s[0] += 0.25
        return now_s[0]

    monkeypatch.setattr("os.getppid", lambda: parents.pop(0))
    monkeypatch.setattr("time.monotonic", tick)
    monkeypatch.setattr("time.sleep", slept_s.append)
    burn(1.0, 0.5, parent=7)
    assert slept_s == [0.5] * 3
    # A burst reads the clock once to begin and then until a second is over: 0.25 · (1 + 4) each.
    assert now_s[0] == pytest.approx(3 * 1.25)


@pytest.mark.slow
def test_the_load_lasts_as_long_as_the_block_and_tells_what_it_burned() -> None:
    with bursts(0.01, 0.01) as load:
        time.sleep(1)
        assert load.process.poll() is None
    assert load.process.returncode is not None
    if sys.platform != "win32":
        assert load.cpu_s is not None
        assert load.cpu_s > 0


@pytest.mark.slow
def test_the_load_ends_with_a_block_that_raises() -> None:
    with pytest.raises(KeyError), bursts(0.01, 0.01) as load:
        raise KeyError
    assert load.process.returncode is not None


@pytest.mark.slow
def test_a_load_that_ended_early_spoils_the_measurement() -> None:
    with ExitStack() as stack:
        load = stack.enter_context(bursts(0.01, 0.01))
        load.process.kill()
        load.process.wait()
        with pytest.raises(Problem, match="the load ended early"):
            stack.close()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there a child keeps the number of a parent that is gone")
def test_the_load_dies_with_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env=child_environment())
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert is_gone_soon(child)
