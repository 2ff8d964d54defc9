"""Which file defines which operator: PyTorch has one of a name in a process, and who comes later takes its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch._library.custom_ops import OPDEFS


class Definitions:
    """The operators that files define by `torch.library.custom_op` or `triton_op`, told file by file as they load.

    A second definition of a name replaces the first without a word, and what was defined first then runs the second's
    code: two revisions that both define it would be one and the same.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, Path] = {}
        self._file: Path | None = None
        self._known = _defined()

    def loads(self, file: Path) -> None:
        """Note that a file is about to be run."""
        self._charge()
        self._file = file

    def found(self) -> Mapping[str, Path]:
        """Return the operators that were defined so far, and the file that did."""
        self._charge()
        return self._by_name

    def _charge(self) -> None:
        now = _defined()
        if self._file:
            new = [name for name, definition in now.items() if self._known.get(name) != definition]
            self._by_name |= dict.fromkeys(new, self._file)
        self._known = now


def _defined() -> dict[str, int]:
    # A contract test holds this private table to what custom_op does.
    return {name: id(definition) for name, definition in OPDEFS.items()}
