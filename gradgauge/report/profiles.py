"""A line of profiles.jsonl: what the profiler saw of one case, each key looked at before it is believed."""

from __future__ import annotations

from gradgauge.records import Drawn, Profile
from gradgauge.report.description import read_case
from gradgauge.report.reading import Node
from gradgauge.traces import DEVICE, HOST

REGION = "region"
_KINDS = (REGION, HOST, DEVICE)


def read_profile(line: Node) -> Profile:
    """Return the profile of a line. Raises UnreadableRun naming file, line and key where one is missing or wrong."""
    names = tuple(item.text() for item in _parts(line["names"]))
    return Profile(
        case=read_case(line),
        trace=line["trace"].required_text(),
        step_s=_number(line["step_s"]),
        spans=tuple(_span(item, names) for item in _parts(line["spans"])),
        stacks=tuple(_stack(item, names) for item in _parts(line["stacks"])),
    )


def _span(item: Node, names: tuple[str, ...]) -> Drawn:
    name, kind, track, depth, start_s, duration_s = _parts(item, 6)
    if kind.value not in _KINDS:
        raise kind.refusal(f"one of {', '.join(_KINDS)}")
    return Drawn(_named(name, names), kind.text(), _whole(track), _whole(depth), _number(start_s), _number(duration_s))


def _stack(item: Node, names: tuple[str, ...]) -> tuple[tuple[str, ...], float]:
    stack, seconds = _parts(item, 2)
    return tuple(_named(frame, names) for frame in _parts(stack)), _number(seconds)


def _parts(item: Node, count: int | None = None) -> list[Node]:
    found = list(item.elements())
    if item.value is None or (count is not None and len(found) != count):
        raise item.refusal("a list" if count is None else f"a list of {count}")
    return found


def _named(item: Node, names: tuple[str, ...]) -> str:
    index = _whole(item)
    if index >= len(names):
        raise item.refusal(f"a number below {len(names)}, which is how many names there are")
    return names[index]


def _whole(item: Node) -> int:
    number = item.count()
    if number is None:
        raise item.refusal("a whole number from 0")
    return number


def _number(item: Node) -> float:
    number = item.number()
    if number is None:
        raise item.refusal("a number")
    return float(number)
