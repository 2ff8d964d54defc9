"""Stacks merged into frames: who called what, and how many seconds a step went through each call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from gradgauge.records import Profile
from gradgauge.report.timeline import works

MOST_LEVELS = 12
_PYTHON = re.compile(r"(?:.*/)?([^/]+\.py)\((\d+)\): (.*)", re.DOTALL)
# PyTorch's own Python, what stands between it and C++, and the file that inductor writes.
_INTERNAL = re.compile(r"(?:.*site-packages/)?torch/.*\.py|<built-in |<frozen |torchinductor_")


@dataclass
class Frame:
    """A call below a certain chain of calls. seconds: a step, with what it calls."""

    name: str
    seconds: float = 0.0
    called: dict[str, Frame] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Return `work` (an operator or a kernel), `python` (code that is not PyTorch's own) or `between`."""
        return "work" if works(self.name) else "python" if _PYTHON.fullmatch(self.name) else "between"

    @property
    def label(self) -> str:
        """Return the name as a drawing has it: `where.py:11 forward` for `implementations/relu/where.py(11): forward`.

        >>> Frame("implementations/relu/where.py(11): forward").label, Frame("aten::mul").label
        ('where.py:11 forward', 'aten::mul')
        """
        found = _PYTHON.fullmatch(self.name)
        return f"{found[1]}:{found[2]} {found[3]}" if found else self.name


@dataclass(frozen=True)
class Laid:
    """A frame in a drawing. level: from 0, the outermost."""

    frame: Frame
    level: int
    start_s: float


def frames_of(profile: Profile) -> Frame:
    """Return the root of a profile's calls; what PyTorch does inside itself is counted to whoever called it."""
    root = Frame("")
    for stack, seconds in profile.stacks:
        if seconds <= 0:
            continue
        frame = root
        frame.seconds += seconds
        for name in [name for name in stack if not _INTERNAL.match(name)][:MOST_LEVELS]:
            frame = frame.called.setdefault(name, Frame(name))
            frame.seconds += seconds
    return root


def laid_out(root: Frame, least_s: float) -> Iterator[Laid]:
    """Yield the frames side by side below who calls them, longest first, but for those shorter than `least_s`.

    The outermost, forward and backward, stay in their order.
    """
    waiting = [(root, -1, 0.0)]
    while waiting:
        frame, level, start_s = waiting.pop()
        if level >= 0:
            yield Laid(frame, level, start_s)
        inner = list(frame.called.values())
        ordered = sorted(inner, key=lambda each: each.name != "forward" if level < 0 else -each.seconds)
        for each in ordered:
            if each.seconds >= least_s:
                waiting.append((each, level + 1, start_s))
            start_s += each.seconds


def top_stacks(profile: Profile, most: int) -> list[tuple[str, float]]:
    """Return the chains of calls on top of which most time is spent, as text, with the seconds."""
    found: dict[str, float] = {}
    for stack, seconds in profile.stacks:
        names = [Frame(name).label for name in stack if not _INTERNAL.match(name)][:MOST_LEVELS]
        chain = " > ".join(names) or "outside of what is named"
        found[chain] = found.get(chain, 0.0) + seconds
    return sorted(found.items(), key=lambda pair: -pair[1])[:most]
