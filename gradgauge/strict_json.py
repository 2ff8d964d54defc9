"""JSON as the contract has it: UTF-8, finite numbers, each name once, nested no deeper than what is written."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

DEEPEST = 32
"""How many lists and objects may stand within one another; what is written needs a quarter of it."""


class NotStrict(ValueError):
    """What is no strict JSON; the message says why. line: in the text, None where that is not known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def parse(data: bytes) -> Any:
    """Return the value. Raises NotStrict.

    >>> parse(b'{"value": 1.5}')
    {'value': 1.5}
    >>> parse(b'{"low": NaN}')
    Traceback (most recent call last):
    ...
    gradgauge.strict_json.NotStrict: low: NaN, expected a finite number or null
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NotStrict(f"not UTF-8: byte {data[error.start]:#04x}", line) from error
    if text.startswith("\ufeff"):
        raise NotStrict("not JSON: it begins with a byte order mark", 1)
    value = _decoded(text)
    # Most lines hold too few brackets to be deep, and need no look at what stands between them.
    if data.count(b"[") + data.count(b"{") > DEEPEST and _is_too_deep(value):
        raise NotStrict(_TOO_DEEP)
    return value


def _decoded(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NotStrict(f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}", error.lineno) from error
    except _Constant as error:
        raise NotStrict(f"{_place_of_infinity(text)}: {error}, expected a finite number or null") from error
    except RecursionError:
        raise NotStrict(_TOO_DEEP) from None
    except NotStrict:
        raise
    except ValueError as error:  # an integer of more digits than Python reads
        raise NotStrict("a number of thousands of digits, expected one that a float can hold") from error


_TOO_DEEP = f"more than {DEEPEST} lists and objects within one another"


class _Constant(ValueError):
    """NaN, Infinity or -Infinity in place of a number."""


def _refuse_constant(name: str) -> NoReturn:
    raise _Constant(name)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise NotStrict(f"{twice[:60]!r} stands twice in one object, expected each name once")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)


def _place_of_infinity(text: str) -> str:
    """Return the keys that lead to what is no finite number, `functions.relu.kinks[0]`."""
    waiting = [("", json.loads(text))]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, float) and not math.isfinite(value):
            return where.lstrip(".") or "all of it"
        if isinstance(value, dict):
            waiting += [(f"{where}.{name}", item) for name, item in value.items()]
        if isinstance(value, list):
            waiting += [(f"{where}[{index}]", item) for index, item in enumerate(value)]
    raise AssertionError("no constant in a text that was refused for one")


def _is_too_deep(value: Any) -> bool:
    level = _containers([value])
    for _ in range(DEEPEST):
        level = [inner for item in level for inner in _containers(item.values() if isinstance(item, dict) else item)]
        if not level:
            return False
    return True


def _containers(items: Any) -> list[Any]:
    return [item for item in items if isinstance(item, dict | list)]
