"""Another process on the machine: `python -m calibration.bursts ON_S OFF_S PARENT` burns one core in bursts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from calibration.figures import Problem
from calibration.running import child_environment
from gradgauge.lifeline import die_with_parent


@dataclass
class Load:
    """The load that ran beside a measurement. cpu_s: what it burned, known at its end; None where it did not tell."""

    process: subprocess.Popen[str]
    cpu_s: float | None = None


@contextmanager
def bursts(on_s: float, off_s: float) -> Iterator[Load]:
    """Burn one core for `on_s` seconds out of every `on_s + off_s` within the block.

    Raises Problem where the load has ended before the block has: what was measured then was measured in quiet.
    """
    command = [sys.executable, "-m", "calibration.bursts", str(on_s), str(off_s), str(os.getpid())]
    load = Load(subprocess.Popen(command, env=child_environment(), stdout=subprocess.PIPE, text=True))
    try:
        yield load
        if load.process.poll() is not None:
            raise Problem(f"the load ended early, with status {load.process.returncode}: nothing was measured under it")
    finally:
        load.cpu_s = _end(load.process)


def _end(process: subprocess.Popen[str]) -> float | None:
    process.terminate()
    try:
        told, _ = process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        told, _ = process.communicate()
    return float(told) if told.strip() else None


def burn(on_s: float, off_s: float, parent: int) -> None:
    """Burn and sleep by turns for as long as the parent lives."""
    while os.getppid() == parent:
        until = time.monotonic() + on_s
        while time.monotonic() < until:
            pass
        time.sleep(off_s)


def main(arguments: list[str]) -> None:
    """Burn until the parent ends this process or is gone, then tell the seconds of CPU time that it took."""
    die_with_parent()  # at once on Linux; elsewhere `burn` sees it after a burst
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    on_s, off_s, parent = arguments
    try:
        burn(float(on_s), float(off_s), int(parent))
    finally:
        print(time.process_time())


if __name__ == "__main__":
    main(sys.argv[1:])
