"""Drawings that are made when the page is, several at a time; a page may leave some of them out."""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import wraps
from typing import ParamSpec

from gradgauge.report.blocks import Svg

P = ParamSpec("P")
_FEWEST_SHARED = 16
"""Fewer drawings than this are made in no more time by several processes than by one."""
_MOST_PROCESSES = 8
_waiting: Sequence[Later] = ()


class Later(Svg):
    """A drawing that is made when it is first looked at."""

    def __init__(self, draw: Callable[[], Svg]) -> None:
        object.__setattr__(self, "draw", draw)

    def __getattr__(self, name: str) -> object:
        if name not in ("body", "width_px"):
            raise AttributeError(name)
        self.become(self.__dict__["draw"]())
        return self.__dict__[name]

    @property
    def is_drawn(self) -> bool:
        """Whether it has been made."""
        return "body" in self.__dict__

    def become(self, made: Svg) -> None:
        """Take over what was made, elsewhere perhaps."""
        object.__setattr__(self, "body", made.body)
        object.__setattr__(self, "width_px", made.width_px)


def later(draw: Callable[P, Svg]) -> Callable[P, Svg]:
    """Have a function that draws return at once; it draws when its result is looked at, or by `draw_all`."""

    @wraps(draw)
    def put_off(*args: P.args, **kwargs: P.kwargs) -> Svg:
        return Later(lambda: draw(*args, **kwargs))

    return put_off


def draw_all(drawings: Sequence[Svg]) -> None:
    """Make those drawings that are not made yet, in as many processes as there are cores, where that is worth it."""
    global _waiting  # noqa: PLW0603  (what a forked process finds; closures cannot be sent to it)
    waiting = [drawing for drawing in drawings if isinstance(drawing, Later) and not drawing.is_drawn]
    processes = min(_cores(), _MOST_PROCESSES)
    if len(waiting) < _FEWEST_SHARED or processes < 2 or "fork" not in multiprocessing.get_all_start_methods():
        return
    _waiting = waiting
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns of any fork beside threads; the children only draw, and import nothing.
            warnings.simplefilter("ignore", DeprecationWarning)
            with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
                made = pool.map(_made, range(len(waiting)), chunksize=2)
                for drawing, svg in zip(waiting, made, strict=True):
                    drawing.become(svg)
    finally:
        _waiting = ()


def _made(index: int) -> Svg:
    drawing = _waiting[index]
    return Svg(drawing.body, drawing.width_px)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
