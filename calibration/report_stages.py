"""Where the time of one report goes: reading, each section, the page. Runs in a process of its own and prints JSON."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

from gradgauge.report import document, page
from gradgauge.report.blocks import Block, Svg
from gradgauge.report.data import RunData
from gradgauge.report.discovery import Section, discover
from gradgauge.report.figures.later import draw_all
from gradgauge.runs import RunFolder

T = TypeVar("T")

_SECTION = re.compile(r'<section id="([^"]+)"')


@dataclass(frozen=True)
class Stage:
    """A part of making a report. figures, html_bytes: what stands in the page for it; None where nothing does."""

    name: str
    seconds: float
    figures: int | None = None
    html_bytes: int | None = None


def stages_of(folder: RunFolder) -> list[Stage]:
    """Make the report of a run, and return what each part of it took."""
    taken: dict[str, float] = {}
    run = _timed(taken, "read the folder", lambda: RunData.load(folder))
    _timed(taken, "the table of records", lambda: run.frame)
    sections = [replace(section, render=partial(_rendered, taken, section)) for section in discover()]
    started, before = time.perf_counter(), sum(taken.values())
    # The page finds its sections, and has its drawings made, by these names.
    with (
        patch.object(page, "discover", lambda: sections),
        patch.object(document, "draw_all", partial(_drawn, taken)),
    ):
        html = page.render_page(run)
    whole = time.perf_counter() - started
    taken["the rest: blocks into HTML"] = whole - (sum(taken.values()) - before)
    return [Stage(name, seconds, *sizes_of(html).get(name, (None, None))) for name, seconds in taken.items()]


def _drawn(taken: dict[str, float], drawings: Sequence[Svg]) -> None:
    _timed(taken, "all drawings", lambda: draw_all(drawings))


def _rendered(taken: dict[str, float], section: Section, run: RunData) -> list[Block] | None:
    return _timed(taken, section.name, lambda: section.render(run))


def _timed(taken: dict[str, float], name: str, work: Callable[[], T]) -> T:
    started = time.perf_counter()
    found = work()
    taken[name] = time.perf_counter() - started
    return found


def sizes_of(html: str) -> dict[str, tuple[int, int]]:
    """Return how many figures each section of a page has, and how many bytes it takes.

    >>> sizes_of('<section id="a"><svg role="img"></svg></section>')
    {'a': (1, 48)}
    """
    starts = [*_SECTION.finditer(html)]
    ends = [*(start.start() for start in starts[1:]), len(html)]
    found = {}
    for start, end in zip(starts, ends, strict=True):
        part = html[start.start() : end]
        found[start[1]] = (part.count("<svg role"), len(part.encode("utf-8")))
    return found


if __name__ == "__main__":
    print(json.dumps([asdict(stage) for stage in stages_of(RunFolder.open(Path(sys.argv[1])))]))
