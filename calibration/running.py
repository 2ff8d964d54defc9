"""Start `gradgauge bench` as a user would, in a process of its own, and say what went wrong in one line."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from calibration.figures import Problem
from gradgauge.runs import RunFolder, UnreadableRun

ROOT = Path(__file__).resolve().parent.parent
USAGE, INTERRUPTED = 2, 130
CHOICES = ("suite", "function", "implementation", "mode", "pass", "device", "dtype", "shape", "layout")


@dataclass(frozen=True)
class Bench:
    """A finished run. wall_s: how long `gradgauge bench` took, start to exit."""

    folder: RunFolder
    wall_s: float


def add_bench_options(parser: argparse.ArgumentParser, choices: Sequence[str] = CHOICES) -> None:
    """Add the options that are handed on to `gradgauge bench`: --preset, --limit and the named choices of cases."""
    group = parser.add_argument_group("handed on to gradgauge bench")
    group.add_argument("--preset", default="standard", help="quick, standard (default) or full")
    group.add_argument("--limit", metavar="SECONDS|none", help="after which no further case is begun")
    for choice in choices:
        group.add_argument(f"--{choice}", action="append", default=[], metavar="NAME", help="repeatable")


def bench_arguments(options: argparse.Namespace) -> list[str]:
    """Return the command line of `gradgauge bench` that the options ask for."""
    given = vars(options)
    arguments = ["--preset", given["preset"]]
    if given["limit"] is not None:
        arguments += ["--limit", given["limit"]]
    for choice in CHOICES:
        for value in given.get(choice, []):
            arguments += [f"--{choice}", value]
    return arguments


def bench(arguments: Sequence[str], results: Path) -> Bench:
    """Run `gradgauge bench` and return its run, one with measured failures too; raise Problem where there is none."""
    runs = results.resolve() / "runs"
    before = set(_folders(runs))
    command = [sys.executable, "-m", "gradgauge", "bench", *arguments, "--results", str(runs.parent)]
    started = time.monotonic()
    # Its progress and its summary are for the eye: standard output holds this script's answer alone.
    status = subprocess.run(command, env=child_environment(), stdout=sys.stderr, check=False).returncode
    wall_s = time.monotonic() - started
    made = [folder for folder in _folders(runs) if folder not in before]
    if status not in (0, 1) or len(made) != 1:
        raise Problem(f"`gradgauge bench {' '.join(arguments)}` ended with status {status} and left {len(made)} runs")
    folder = RunFolder.open(made[0])
    if not folder.read_description()["complete"]:
        raise Problem(f"the run {folder.run_id} did not come to its end (status {status})")
    return Bench(folder, wall_s)


def _folders(runs: Path) -> list[Path]:
    return [path for path in runs.glob("*") if path.is_dir() and not path.is_symlink()]


def child_environment() -> dict[str, str]:
    """Return this process's environment with this checkout importable and no pytest options of the caller's own."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    paths = [str(ROOT), *filter(None, [inherited.get("PYTHONPATH")])]
    return inherited | {"PYTHONPATH": os.pathsep.join(paths)}


@contextmanager
def results_folder(given: Path | None) -> Iterator[Path]:
    """Give the folder for runs: the given one, which stays, or a temporary one, which does not."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="gradgauge-calibration-") as scratch:
        yield Path(scratch)


def command(main: Callable[[], None]) -> int:
    """Run a script and return its exit status: 0 answered, 2 could not be answered or wrong usage, 130 interrupted."""
    # A kill ends what was started here, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except (Problem, UnreadableRun) as error:
        print(error, file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0
