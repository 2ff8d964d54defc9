"""How a worker says what it is doing, in a way that outlives it: a journal of lines and a pulse in shared memory."""

from __future__ import annotations

import json
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradgauge.records import dump_line
from gradgauge.runs import append_line

PULSE_BYTES = 4096
_HEADER = struct.Struct("<QI")


class Journal:
    """The writing end: one JSON line an event, on disk before the call returns to the worker."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def write(self, event: str, **fields: Any) -> None:
        """Append one event."""
        append_line(self._file, dump_line({"event": event, **fields}))


class JournalReader:
    """The reading end: each call of `news` returns the whole lines written since the last."""

    def __init__(self, file: Path) -> None:
        self._file, self._offset = file, 0

    def news(self) -> list[dict[str, Any]]:
        """Return the events that are new, in order."""
        if not self._file.exists():
            return []
        with self._file.open("rb") as lines:
            lines.seek(self._offset)
            whole = lines.read().rpartition(b"\n")[0]
        self._offset += len(whole) + 1 if whole else 0
        return [json.loads(line) for line in whole.splitlines()]


@dataclass(frozen=True)
class Beat:
    """What a worker was last seen at. count: grows with each step; step: what it is, as the worker put it."""

    count: int
    step: str


class Pulse:
    """A page of memory shared through a file: telling a step costs a microsecond and survives the worker's death."""

    def __init__(self, file: Path) -> None:
        if not file.exists() or file.stat().st_size != PULSE_BYTES:
            file.write_bytes(bytes(PULSE_BYTES))
        with file.open("r+b") as handle:
            self._page = mmap.mmap(handle.fileno(), PULSE_BYTES)

    def beat(self, step: str) -> None:
        """Tell the step that begins now."""
        text = step.encode()[: PULSE_BYTES - _HEADER.size]
        count, _ = _HEADER.unpack_from(self._page)
        self._page[_HEADER.size : _HEADER.size + len(text)] = text
        _HEADER.pack_into(self._page, 0, count + 1, len(text))

    def read(self) -> Beat:
        """Return the last step told; count 0 where none was."""
        count, length = _HEADER.unpack_from(self._page)
        return Beat(count, self._page[_HEADER.size : _HEADER.size + length].decode(errors="replace"))
