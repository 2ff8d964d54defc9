"""Data as Markdown shows it: nothing in it is markup, a link or a call to somebody."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gradgauge.gate.words import one_line
from gradgauge.report.formatting import shortened

_LONGEST = 400
_SPECIAL = re.compile(r"[\\`*_\[\]|~]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"}
# GitHub links these wherever they stand, so that a name could call people or point at issues.
_LINKING = re.compile(r"@|#(?=\d)|://|\bwww(?=\.)|\bGH(?=-\d)", re.IGNORECASE)
_NO_WIDTH = "&#8203;"


def escaped(text: str, most: int = _LONGEST) -> str:
    """Return data as Markdown shows it: in one line, with nothing that is markup, a link, or a call to somebody."""
    cut = shortened(one_line(text), most)
    safe = "".join(_ENTITIES.get(character, character) for character in _SPECIAL.sub(r"\\\g<0>", cut))
    return _LINKING.sub(_unlinked, safe)


def _unlinked(found: re.Match[str]) -> str:
    # "&#36;" is an entity of ours, not the number of an issue.
    before = found.string[: found.start()]
    if found.group() == "#" and before.endswith("&"):
        return "#"
    return f":{_NO_WIDTH}//" if found.group() == "://" else f"{found.group()}{_NO_WIDTH}"


def fenced(lines: Sequence[str]) -> str:
    """Return lines as a block of code, behind a fence that no name in them closes; nothing where there are none."""
    if not lines:
        return ""
    text = "\n".join(lines)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}\n"
