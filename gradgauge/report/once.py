"""What many sections ask of a run, found once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from gradgauge.report.data import RunData

P = ParamSpec("P")
T = TypeVar("T")


def once_a_run(find: Callable[Concatenate[RunData, P], T]) -> Callable[Concatenate[RunData, P], T]:
    """Have a function look only once at each run and further arguments, which must be hashable.

    Whoever asks gets the same object, and may not change it.
    """

    @wraps(find)
    def found(run: RunData, /, *args: P.args, **kwargs: P.kwargs) -> T:
        asked: Hashable = (find, args, tuple(kwargs.items()))
        if asked not in run.answers:
            run.answers[asked] = find(run, *args, **kwargs)
        answer: T = run.answers[asked]
        return answer

    return found
