"""Run a Python file by path under a name of its own, so that two revisions of one file can live in one process."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import signal
import sys
import traceback
from pathlib import Path
from types import ModuleType

LOADED = "gradgauge_loaded_"
"""What the names of modules that were run by path begin with."""

LONGEST = 300
"""So many characters of an exception's first line are told."""


class BrokenFile(Exception):
    """A file that does not load; str() says why in one line."""

    def __init__(self, file: Path, line: int | None, message: str) -> None:
        super().__init__(message)
        self.file, self.line, self.message = file, line, message


def load_module(file: Path, copy: str = "") -> ModuleType:
    """Execute `file` and return its module; raise BrokenFile with the line at fault.

    The module stands in `sys.modules` before it runs, which torch.compile and pickle need. copy: names a second one of
    the same file, with a state of its own.
    """
    digest = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:10]
    name = f"{LOADED}{digest}_{file.parent.name}_{file.stem}{copy}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise BrokenFile(file, None, "not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        del sys.modules[name]
        raise BrokenFile(file, error.lineno, f"SyntaxError: {error.msg}") from error
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # somebody's file may raise anything, exit() included
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt) and not interrupts_are_ignored():
            raise
        raise BrokenFile(file, _line_in(file, error), first_line(error)) from error
    return module


def interrupts_are_ignored() -> bool:
    """Whether this process ignores Ctrl-C, as a worker does: a KeyboardInterrupt then comes from somebody's code."""
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def first_line(error: BaseException) -> str:
    """Return `Type: message` on one line, at most 300 characters, less what differs from process to process."""
    message = next(iter(str(error).strip().splitlines()), "")
    message = re.sub(r" at 0x[0-9a-f]+", "", message)
    said = f"{type(error).__name__}: {message}".removesuffix(": ")
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"


def _line_in(file: Path, error: BaseException) -> int | None:
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == str(file)), None)
