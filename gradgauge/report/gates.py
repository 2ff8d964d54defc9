"""Reading a gate.json that strangers may have written: each value is of its type, and printable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from gradgauge.gate.findings import Gate
from gradgauge.report.reading import Node, clean
from gradgauge.runs import is_file


def read_gate(file: Path) -> Gate | None:
    """Return what the gate found; None where there is no such file.

    Raises UnreadableRun naming the file and the key that is wrong.
    """
    if not is_file(file):
        return None
    gate = _checked(Node(str(file), Gate.read(file)), Gate)
    assert isinstance(gate, Gate)
    return gate


def _checked(node: Node, wanted: Any) -> Any:
    """Return the node's value with its texts cleaned; refuse what is not of the type that the annotation says."""
    origin, value = get_origin(wanted), node.value
    if origin is UnionType:
        return _one_of(node, get_args(wanted))
    if is_dataclass(wanted):
        assert isinstance(wanted, type)
        hints = get_type_hints(wanted)
        return wanted(**{name: _checked(_below(node, name), hints[name]) for name in _names(wanted)})
    if origin is tuple:
        return tuple(_checked(item, get_args(wanted)[0]) for item in Node(node.where, list(value)).elements())
    if origin is Mapping:
        return {name: _checked(item, get_args(wanted)[1]) for name, item in node.items()}
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return value
    return _plain(node, wanted)


def _one_of(node: Node, allowed: tuple[Any, ...]) -> Any:
    if node.value is None and type(None) in allowed:
        return None
    if isinstance(node.value, str) and str in allowed:
        return clean(node.value)
    return _checked(node, next(kind for kind in allowed if kind not in (type(None), str)))


def _plain(node: Node, wanted: type) -> Any:
    if wanted is bool and isinstance(node.value, bool):
        return node.value
    if wanted is str and isinstance(node.value, str):
        return clean(node.value)
    if wanted in (int, float) and node.value is not None:
        return node.number()
    raise node.refusal({str: "a string", bool: "true or false"}.get(wanted, "a number"))


def _below(node: Node, name: str) -> Node:
    return Node(f"{node.where}{'.' if ' ' in node.where else ': '}{name}", getattr(node.value, name))


def _names(wanted: Any) -> list[str]:
    return [field.name for field in fields(wanted)]
