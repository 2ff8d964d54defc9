"""Several techniques named together, a mode only where it matters."""

from __future__ import annotations

from collections.abc import Sequence

from gradgauge.report.blocks import Code, Inline

_BETWEEN = " · "


def together(names: Sequence[str], of: Sequence[str]) -> list[str]:
    """Return techniques as implementations where all modes that occur in `of` are among them.

    >>> together(["where · eager", "where · compiled", "mine · eager"], ["where · eager", "where · compiled",
    ... "mine · eager", "mine · compiled"])
    ['where', 'mine · eager']
    """
    found = []
    for name in names:
        implementation = name.partition(_BETWEEN)[0]
        whole = [other for other in of if other.partition(_BETWEEN)[0] == implementation]
        found.append(implementation if set(whole) <= set(names) else name)
    return list(dict.fromkeys(found))


def coded(names: Sequence[str]) -> tuple[Inline, ...]:
    """Return names as prose lists them, each set as code.

    >>> coded(["a", "b"])
    (Code(text='a'), ' and ', Code(text='b'))
    """
    found: list[Inline] = []
    for index, name in enumerate(names):
        found += ([", " if index < len(names) - 1 else " and "] if index else []) + [Code(name)]
    return tuple(found)
