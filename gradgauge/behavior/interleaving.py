"""One call in the midst of another: between any two lines of it, a second thread makes a whole call of its own."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, Generic, TypeVar

import torch

T = TypeVar("T")

MOST_LINES = 200
"""A call with more lines is interrupted at the first so many."""
PATIENCE_S = 0.5
"""A second call that waits for the first (it takes a lock) is left to end later."""
FOREIGN = (str(Path(torch.__file__).parent), sysconfig.get_paths()["stdlib"], "<")
"""Files whose lines are not those of the code in question: PyTorch's, Python's own, and what is no file."""
OURS = (Path(__file__).parent, Path(__file__).parents[1])
"""Folders of this project's; not those below them, where an installed package has `implementations`."""


@cache
def is_in_question(file: str) -> bool:
    """Whether a file's lines are somebody's own."""
    return not file.startswith(FOREIGN) and Path(file).parent not in OURS


class Interleaving(Generic[T]):
    """What came of a call that was interrupted, and of the whole calls made meanwhile by another thread."""

    def __init__(self, interrupted: T, meanwhile: list[T]) -> None:
        self.interrupted, self.meanwhile = interrupted, meanwhile


def interleave(first: Callable[[], T], second: Callable[[], T]) -> Interleaving[T]:
    """Run `first`, and before each line of its own code, in another thread, the whole of `second`.

    So a buffer that both share is overwritten wherever that can do harm, in the same way each time; chance, which two
    loops in two threads hang on, has no part in it. Seen are lines of Python in the thread that runs `first`: on a CPU
    its backward, too. Raises what either raises.
    """
    waiting: list[Future[T]] = []
    previous = sys.gettrace()
    with ThreadPoolExecutor(1) as other:

        def interrupt(_: FrameType, event: str, __: Any) -> Any:
            if event == "line" and len(waiting) < MOST_LINES:
                waiting.append(other.submit(second))
                with suppress(StillRunning):
                    waiting[-1].exception(timeout=PATIENCE_S)
            return interrupt

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            del argument
            return interrupt if event == "call" and is_in_question(frame.f_code.co_filename) else None

        sys.settrace(trace)
        try:
            interrupted = first()
        finally:
            sys.settrace(previous)
        return Interleaving(interrupted, [each.result() for each in waiting])
