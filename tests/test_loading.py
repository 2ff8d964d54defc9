from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gradgauge.loading import BrokenFile, first_line, load_module


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_two_revisions_of_one_file_live_side_by_side(tmp_path: Path) -> None:
    old = load_module(write(tmp_path / "old/relu/where.py", "VALUE = 1"))
    new = load_module(write(tmp_path / "new/relu/where.py", "VALUE = 2"))
    assert (old.VALUE, new.VALUE) == (1, 2)
    assert old.__name__ != new.__name__
    assert sys.modules[old.__name__] is old


def test_the_module_stands_in_sys_modules_before_it_runs(tmp_path: Path) -> None:
    text = "import sys\nFOUND = sys.modules[__name__].__file__"
    file = write(tmp_path / "relu/where.py", text)
    assert str(file) == load_module(file).FOUND


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("x = 1\ndef f(:\n", 2, "SyntaxError: "),
        ("x = 1\n\nraise RuntimeError('first\\nsecond')", 3, "RuntimeError: first"),
        ("import no_such_module_at_all", 1, "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("def f():\n    return 1 / 0\n\nf()", 2, "ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)", 2, "SystemExit: 3"),
        ("import json\njson.loads('{')", 2, "JSONDecodeError: "),  # the line of the file, not of the library
    ],
)
def test_a_broken_file_is_told_with_line_and_message(tmp_path: Path, text: str, line: int, message: str) -> None:
    file = write(tmp_path / "relu/broken.py", text)
    before = set(sys.modules)
    with pytest.raises(BrokenFile) as caught:
        load_module(file)
    assert (caught.value.file, caught.value.line) == (file, line)
    assert caught.value.message.startswith(message)
    assert "\n" not in str(caught.value)
    assert not [name for name in set(sys.modules) - before if "broken" in name]


def test_what_is_no_python_file_is_broken(tmp_path: Path) -> None:
    with pytest.raises(BrokenFile, match="not a Python file"):
        load_module(write(tmp_path / "relu/notes.txt", "hello"))


def test_ctrl_c_is_not_a_broken_file(tmp_path: Path) -> None:
    file = write(tmp_path / "relu/interrupted.py", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_module(file)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError(), "ValueError"),
        (ValueError("  \n one\ntwo"), "ValueError: one"),
        (KeyError("k"), "KeyError: 'k'"),
        (ValueError("x" * 400), "ValueError: " + "x" * 287 + "…"),
        (ValueError("x" * 288), "ValueError: " + "x" * 288),
    ],
)
def test_an_error_is_told_on_one_line_of_300_characters(error: Exception, line: str) -> None:
    assert first_line(error) == line
