"""Run somebody's code, and turn what it raises into a verdict: the one place where every exception is caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from gradgauge.loading import first_line, interrupts_are_ignored
from gradgauge.records import Verdict

T = TypeVar("T")

DONATED_BUFFERS = "donated buffers"
"""What PyTorch says when a compiled backward is asked to keep its graph."""


class Wrong(Exception):
    """What an implementation did wrong, found by this project's own checks; the message is the whole sentence."""


class Unsupported(Exception):
    """What an implementation cannot do and need not: the message is the whole sentence."""


class NotApplicable(Exception):
    """A question that does not arise here: the message is the whole sentence."""


@dataclass(frozen=True)
class Failure:
    """Why there is no figure: the verdict, and a sentence."""

    verdict: Verdict
    detail: str


def attempt(doing: str, action: Callable[[], T]) -> T | Failure:
    """Return what `action` returns, or the failure it raised; doing: what to call it, such as `backward`.

    `sys.exit()` in somebody's code is a failure like any other, and so is a KeyboardInterrupt where Ctrl-C cannot have
    sent it; otherwise that passes.
    """
    try:
        return action()
    except Wrong as wrong:
        return Failure(Verdict.FAIL, str(wrong))
    except Unsupported as missing:
        return Failure(Verdict.UNSUPPORTED, str(missing))
    except NotApplicable as idle:
        return Failure(Verdict.NOT_APPLICABLE, str(idle))
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt) and not interrupts_are_ignored():
            raise
        if DONATED_BUFFERS in str(error):
            return Failure(Verdict.UNSUPPORTED, f"{doing}: {first_line(error)}")
        return Failure(Verdict.FAIL, f"{doing} raised {first_line(error)}")
