from __future__ import annotations

import json
from typing import Any

import pytest

from gradgauge.strict_json import DEEPEST, NotStrict, parse


def nested(depth: int, value: Any = None) -> Any:
    for level in range(depth):
        value = [1, value] if level % 2 else {"a": value, "b": 1}
    return value


@pytest.mark.parametrize(
    "value", [{}, [], 0, -1.5e300, "x", None, True, {"a": [{"a": 1}, {"a": 2}]}, "NaN", {"x": "Infinity"}, 2**63]
)
def test_what_is_json_is_read_as_json_reads_it(value: object) -> None:
    assert parse(json.dumps(value).encode()) == value


def test_texts_are_utf_8_however_they_are_written() -> None:
    assert parse('["σ", "\\u03c3", "\\ud83d\\ude00"]'.encode()) == ["σ", "σ", "😀"]


@pytest.mark.parametrize(
    ("data", "message", "line"),
    [
        (b"", "not JSON: Expecting value at column 1", 1),
        (b'{\n "a": 1,\n}', "not JSON: Expecting property name enclosed in double quotes at column 1", 3),
        (b"[1]\n[2]", "not JSON: Extra data at column 1", 2),
        (b'["a\tb"]', "not JSON: Invalid control character at column 4", 1),
        (b"\xef\xbb\xbf{}", "not JSON: it begins with a byte order mark", 1),
        (b'{\n"a": "\xff"}', "not UTF-8: byte 0xff", 2),
        (b'{"a": {"b": [1, -Infinity]}}', "a.b[1]: -Infinity, expected a finite number or null", None),
        (b'{"a": "NaN", "b": NaN}', "b: NaN, expected a finite number or null", None),
        (b"NaN", "all of it: NaN, expected a finite number or null", None),
        (b'[{"a": 1, "b": 2, "a": 1}]', "'a' stands twice in one object, expected each name once", None),
        (b"9" * 5000, "a number of thousands of digits, expected one that a float can hold", None),
        (b"[" * 10_000, "more than 32 lists and objects within one another", None),
    ],
)
def test_what_is_none_is_refused_with_its_line(data: bytes, message: str, line: int | None) -> None:
    with pytest.raises(NotStrict) as refusal:
        parse(data)
    assert (str(refusal.value), refusal.value.line) == (message, line)


def test_what_is_nested_deeper_than_anything_that_is_written_is_refused() -> None:
    deepest = nested(DEEPEST)
    assert parse(json.dumps(deepest).encode()) == deepest
    with pytest.raises(NotStrict, match="more than 32 lists and objects within one another"):
        parse(json.dumps([deepest]).encode())
