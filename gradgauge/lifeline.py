"""How a child process is tied to its parent: it dies with it, and before it when memory runs out."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent is gone, so that no orphan goes on measuring. Linux only."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def die_first() -> None:
    """Where memory runs out, have the kernel take this process and not the parent that reports on it. Linux only."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def environment_of_child() -> dict[str, str]:
    """Return this process's environment, with this gradgauge importable, whatever lies in the current folder."""
    package = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH", "")]))
    # Or a module of the same name in the current folder would be run in place of the one that is meant.
    return {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def kill_with_children(process: subprocess.Popen[bytes]) -> None:
    """End a process that has a session of its own, with whatever it started (compilers among them), and wait for it."""
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


SCARCE = 0.03
"""Of the machine's memory: with less than this left it stands still before the kernel acts."""


def memory_taken(pid: int, proc: Path = Path("/proc")) -> str:
    """Return how much memory the process holds when it leaves the machine next to none; empty otherwise.

    Linux only; elsewhere, and while the process holds less than half of the memory, always empty.
    """
    try:
        lines = (proc / "meminfo").read_text(encoding="ascii").splitlines()
        pages = int((proc / str(pid) / "statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return ""
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith("kB")}
    held, total = pages * os.sysconf("SC_PAGE_SIZE"), sizes.get("MemTotal", 0)
    if held < total / 2 or sizes.get("MemAvailable", total) > SCARCE * total:
        return ""
    return f"{held / 2**30:.1f} GiB of {total / 2**30:.1f}"
