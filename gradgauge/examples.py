"""Inputs that show a fault, with what is right there and what was found: tensors as data, without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_LITERALS = 1024
"""A tensor of more numbers than this is not written out; others like them are drawn."""
MOST_NUMBERS = 64
"""Of more numbers than this a reader is told the range."""

NONFINITE = ("nan", "inf", "-inf")
"""How JSON, which has none of them, spells what is not finite."""


@dataclass(frozen=True)
class Numbers:
    """A tensor. values: row by row, a single one where all are alike; None where they are too many to be kept.

    low, high: the smallest and the largest, NaN where any is.
    """

    shape: tuple[int, ...]
    dtype: str
    values: tuple[float, ...] | None
    low: float = math.nan
    high: float = math.nan

    def __post_init__(self) -> None:
        if self.values is not None and len(self.values) not in {self.count, min(self.count, 1)}:
            raise ValueError(f"{len(self.values)} numbers for the shape {self.shape}")

    @property
    def count(self) -> int:
        """Return how many elements it has."""
        return math.prod(self.shape)

    @property
    def is_alike(self) -> bool:
        """Whether one number stands for several elements."""
        return self.values is not None and len(self.values) < self.count

    def to_json(self) -> dict[str, Any]:
        """Return it as an object of reproductions.jsonl."""
        values = None if self.values is None else [_to_json(value) for value in self.values]
        return {
            "shape": list(self.shape),
            "dtype": self.dtype,
            "values": values,
            "low": _to_json(self.low),
            "high": _to_json(self.high),
        }


@dataclass(frozen=True)
class Given:
    """An input. asks: for its gradient."""

    name: str
    numbers: Numbers
    layout: str = "contiguous"
    asks: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return it as an object of reproductions.jsonl."""
        return {"name": self.name, **self.numbers.to_json(), "layout": self.layout, "asks": self.asks}


@dataclass(frozen=True)
class Outcome:
    """What is right, and what was found: None where it never came to that."""

    right: Numbers
    found: Numbers | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as an object of reproductions.jsonl."""
        return {"right": self.right.to_json(), "found": self.found.to_json() if self.found else None}


@dataclass(frozen=True)
class ExampleCall:
    """A forward and its backward. values: of each output; none where the call was not seen to return.

    gradients: of each input, None where it asks for none. grad_outputs: of each output, None where it is sent none.
    """

    inputs: tuple[Given, ...]
    values: tuple[Outcome, ...] = ()
    gradients: tuple[Outcome | None, ...] = ()
    grad_outputs: tuple[Numbers | None, ...] = ()
    grad_layout: str = "contiguous"
    is_tuple: bool = False
    records_graph: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return it as an object of reproductions.jsonl."""
        return {
            "inputs": [each.to_json() for each in self.inputs],
            "values": [each.to_json() for each in self.values],
            "gradients": [each.to_json() if each else None for each in self.gradients],
            "grad_outputs": [each.to_json() if each else None for each in self.grad_outputs],
            "grad_layout": self.grad_layout,
            "is_tuple": self.is_tuple,
            "records_graph": self.records_graph,
        }


@dataclass(frozen=True)
class Example:
    """The calls that show a fault: all forwards, then all backwards. device: that of all tensors.

    shows: where: `value 1`, `gradient of a`, `overwritten input 0`, `mended`; nothing for a behaviour and for what
    raises. is_small: made as small as shows it. operator: the custom one that the call uses, where that matters.
    """

    calls: tuple[ExampleCall, ...]
    device: str = "cpu"
    shows: str = ""
    is_small: bool = True
    operator: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Return what the inputs are called."""
        return tuple(each.name for each in self.calls[0].inputs)

    def to_json(self) -> Mapping[str, Any]:
        """Return it as an object of reproductions.jsonl."""
        return {
            "calls": [call.to_json() for call in self.calls],
            "shows": self.shows,
            "is_small": self.is_small,
            "operator": self.operator,
        }


def shown(numbers: Numbers) -> str:
    """Return a tensor's numbers for a reader: nested as the tensor is, a range where there are many.

    >>> shown(Numbers((2,), "float32", (0.5, -1.0))), shown(Numbers((), "float32", (2.0,)))
    ('[0.5, -1]', '2')
    """
    if not numbers.count:
        return "no numbers"
    if numbers.is_alike and numbers.values:
        return f"{numbers.count} times {numbers.values[0]:.7g}"
    if numbers.values is None or numbers.count > MOST_NUMBERS:
        return f"{numbers.count} numbers from {numbers.low:.4g} to {numbers.high:.4g}"
    return nested([f"{value:.7g}" for value in numbers.values], numbers.shape)


def nested(texts: list[str], shape: tuple[int, ...]) -> str:
    """Return texts in brackets as a tensor of that shape is written.

    >>> nested(["1", "2", "3", "4"], (2, 2))
    '[[1, 2], [3, 4]]'
    """
    if not shape:
        return texts[0]
    size = math.prod(shape[1:])
    rows = [nested(texts[index * size : (index + 1) * size], shape[1:]) for index in range(shape[0])]
    return f"[{', '.join(rows)}]"


def _to_json(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
