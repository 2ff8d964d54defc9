"""Reading JSON that strangers may have written: typed access that names the file and the key it refuses."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gradgauge.runs import UnreadableRun

# Control characters and lone surrogates are legal in JSON and illegal in XML and UTF-8; U+E000 is blocks.ID_TOKEN.
# U+2028 to U+202E, U+2066 to U+2069: lines and directions of writing, with which a name would read as another one.
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ue000\ufdd0-\ufdef\ufffe\uffff]"
)

_EXACT_IN_FLOAT = 2**53


def is_printable(text: str) -> bool:
    """Return whether there is nothing in a text that `clean` might replace; quicker than cleaning it."""
    return text.isprintable()


def clean(text: str) -> str:
    """Return the text with what no HTML file can hold, and what would hide how it reads, replaced by U+FFFD."""
    return text if is_printable(text) else _UNPRINTABLE.sub("�", text)


def as_number(value: Any) -> float | None:
    """Return a finite number, as a float where it is too large an integer to be exact; None where it is none."""
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is not int:
        return None
    try:
        return value if abs(value) < _EXACT_IN_FLOAT else float(value)
    except OverflowError:
        return None


@dataclass(frozen=True)
class Node:
    """A value in a JSON file and where it stands. A missing key reads as the default, a wrong type is refused."""

    where: str
    value: Any

    def __getitem__(self, key: str) -> Node:
        """Return the node below `key`, of value None where there is none."""
        return Node(f"{self.where}{'.' if ' ' in self.where else ': '}{key}", self._mapping().get(key))

    def items(self) -> Iterator[tuple[str, Node]]:
        """Yield the names and nodes of an object; nothing where it is missing."""
        for key in self._mapping():
            yield clean(key), self[key]

    def elements(self) -> Iterator[Node]:
        """Yield the nodes of a list; nothing where it is missing."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            raise self.refusal("a list")
        for index, value in enumerate(self.value):
            yield Node(f"{self.where}[{index}]", value)

    def text(self, default: str = "") -> str:
        """Return a string."""
        if self.value is None:
            return default
        if not isinstance(self.value, str):
            raise self.refusal("a string")
        return clean(self.value)

    def flag(self, *, default: bool) -> bool:
        """Return a truth value."""
        if self.value is None:
            return default
        if not isinstance(self.value, bool):
            raise self.refusal("true or false")
        return self.value

    def number(self) -> float | None:
        """Return a finite number, or None where it is missing."""
        if self.value is None:
            return None
        if type(self.value) not in (int, float):
            raise self.refusal("a number")
        number = as_number(self.value)
        if number is None:
            raise self.refusal("a finite number")
        return number

    def count(self) -> int | None:
        """Return a whole number from 0, or None where it is missing."""
        number = self.number()
        if number is None:
            return None
        if number < 0 or number != int(number):
            raise self.refusal("a whole number from 0")
        return int(number)

    def anything(self) -> Any:
        """Return whatever stands there: mappings and lists of printable texts, finite numbers, truth values, None."""
        if isinstance(self.value, dict):
            return {name: item.anything() for name, item in self.items()}
        if isinstance(self.value, list):
            return [item.anything() for item in self.elements()]
        if isinstance(self.value, str):
            return self.text()
        return self.value if isinstance(self.value, bool) else self.number()

    def required_text(self) -> str:
        """Return a string that must be there and not be empty."""
        if not self.text():
            raise self.refusal("a string that says something")
        return self.text()

    def refusal(self, expected: str) -> UnreadableRun:
        """Return the error that says what was found and what was expected."""
        found = "missing" if self.value is None else f"{type(self.value).__name__} {self.value!r:.60}"
        return UnreadableRun(" ".join(clean(f"{self.where}: {found}, expected {expected}").splitlines()))

    def _mapping(self) -> dict[str, Any]:
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            raise self.refusal("an object")
        return self.value
