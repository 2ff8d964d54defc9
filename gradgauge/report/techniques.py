"""Several techniques named together, a mode only where it matters."""

from __future__ import annotations

from collections.abc import Sequence

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
