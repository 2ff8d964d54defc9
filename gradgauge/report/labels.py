"""Timing protocols: which labels are usual and go unsaid, and how the others read."""

from __future__ import annotations

from gradgauge.records import Record

Labels = tuple[tuple[str, str], ...]

WALL_CLOCK = ("clock", "wall")
PROTOCOLS = {"fresh": "fresh graph", "retained": "retained graph", "accumulating": "accumulating gradients"}
_KEYS = ("clock", "cache", "protocol", "launch")
_WORDS = {
    WALL_CLOCK: ("wall clock", "what a Python caller waits for"),
    ("clock", "device"): ("device time", "what the device works, launch gaps left out"),
    ("cache", "cold"): ("cold cache", "no call finds its inputs in a cache"),
    ("protocol", "fresh"): (PROTOCOLS["fresh"], ""),
    ("protocol", "retained"): (PROTOCOLS["retained"], "one graph, whose backward is called again and again"),
    ("protocol", "accumulating"): (PROTOCOLS["accumulating"], "into a .grad that is already there"),
    ("launch", "graph"): ("CUDA graph", "replayed, not launched from Python"),
}


def usual_clock(device: str) -> str:
    """Return the clock that goes unsaid on a device.

    >>> usual_clock("cpu"), usual_clock("cuda:0")
    ('wall', 'device')
    """
    return "wall" if device.partition(":")[0] in ("", "cpu") else "device"


def odd_labels(record: Record) -> Labels:
    """Return the labels of a record that say more than that its timing was the usual one."""
    usual = {"clock": usual_clock(record.case.device), "cache": "warm", "protocol": "fresh"}
    return tuple((key, value) for key, value in record.labels.items() if value != usual.get(key))


def odd_protocol(labels: Labels) -> Labels:
    """Return which of the odd labels name a way of timing of which nothing is advised where there is a usual one.

    The wall clock of an accelerator is none: what a Python caller waits for is worth advice, too.

    >>> odd_protocol((("clock", "wall"), ("cache", "cold"), ("input", "a")))
    (('cache', 'cold'),)
    """
    return tuple(label for label in labels if label[0] in _KEYS and label != WALL_CLOCK)


def words(labels: Labels) -> str:
    """Return labels as one text.

    >>> words((("clock", "wall"), ("input", "a"), ("kind", "strided input")))
    'wall clock · input=a · strided input'
    """
    return " · ".join(_word(pair) for pair in labels)


def _word(pair: tuple[str, str]) -> str:
    key, value = pair
    if pair in _WORDS:
        return _WORDS[pair][0]
    return value if key == "kind" else f"{key}={value}"


def explanation(labels: Labels) -> str:
    """Return what the label means where there is one that needs it; nothing where there are several.

    >>> explanation((("clock", "wall"),))
    'what a Python caller waits for'
    """
    return _WORDS.get(labels[0], ("", ""))[1] if len(labels) == 1 else ""


def explained(labels: Labels) -> str:
    """Return each label with its meaning.

    >>> explained((("cache", "cold"), ("launch", "graph")))
    'cold cache (no call finds its inputs in a cache), CUDA graph (replayed, not launched from Python)'
    """
    told = [(words((label,)), explanation((label,))) for label in labels]
    return ", ".join(f"{name} ({meaning})" if meaning else name for name, meaning in told)


def common_words(records: list[Record]) -> str:
    """Return the odd labels that all of the records have, as one text; nothing where they have none in common."""
    first, *rest = [odd_labels(record) for record in records]
    return words(tuple(label for label in first if all(label in other for other in rest)))
