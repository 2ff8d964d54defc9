from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gradgauge import lifeline
from tests.fakes import alive, environment, is_gone_soon

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(1000)
"""
CHILD = """
import time
from gradgauge.lifeline import die_with_parent
die_with_parent()
print(1, flush=True)
time.sleep(1000)
"""


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
    assert is_gone_soon(child)


def test_where_the_kernel_is_another_nothing_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    asked: list[object] = []
    monkeypatch.setattr("ctypes.CDLL", asked.append)
    lifeline.die_with_parent()
    assert not asked


def test_the_kernel_is_asked_to_take_this_process_first(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, str]] = []
    monkeypatch.setattr(Path, "write_text", lambda self, text, encoding: written.append((str(self), text)))
    lifeline.die_first()
    assert written == [("/proc/self/oom_score_adj", "1000")]


def test_where_it_may_not_be_asked_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def refuse(self: Path, *_: object, **__: object) -> None:
        asked.append(self)
        raise PermissionError

    monkeypatch.setattr(Path, "write_text", refuse)
    lifeline.die_first()
    assert len(asked) == 1


def a_machine(proc: Path, total_kb: int, available_kb: int, held_pages: int) -> Path:
    (proc / "7").mkdir(parents=True)
    meminfo = f"MemTotal: {total_kb} kB\nMemFree: 1 kB\nMemAvailable: {available_kb} kB\nHugePages_Total: 0\n"
    (proc / "meminfo").write_text(meminfo, encoding="ascii")
    (proc / "7" / "statm").write_text(f"999999 {held_pages} 3 4 0 5 0\n", encoding="ascii")
    return proc


GIB_KB = 2**20


@pytest.mark.parametrize(
    ("available_kb", "held_gib", "words"),
    [
        (GIB_KB // 8, 7.0, "7.0 GiB of 8.0"),  # 1/64 is left
        (GIB_KB, 7.0, ""),  # there is enough for others
        (GIB_KB // 8, 3.0, ""),  # somebody else has taken it
    ],
)
def test_memory_is_taken_when_the_process_holds_most_of_it_and_next_to_none_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, available_kb: int, held_gib: float, words: str
) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: 4096)
    proc = a_machine(tmp_path / "proc", 8 * GIB_KB, available_kb, int(held_gib * 2**30 / 4096))
    assert lifeline.memory_taken(7, proc) == words


def test_where_the_kernel_does_not_tell_no_memory_is_taken(tmp_path: Path) -> None:
    assert lifeline.memory_taken(7, tmp_path / "nowhere") == ""
    assert lifeline.memory_taken(8, a_machine(tmp_path / "proc", 8, 0, 1)) == ""
