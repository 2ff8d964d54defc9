"""Names on blocks: as much of one as there is room for."""

from __future__ import annotations

FONT_PX = 10.5
_CHARACTER_PX = 6.3
_PADDING_PX = 6.0
_FEWEST = 4
_OUTER = ("aten::", "autograd engine: ", "torch::autograd::")


def fitted(name: str, width_px: float) -> str:
    """Return the name, without its namespace and then cut, so that it fits; nothing where hardly any of it would.

    >>> fitted("aten::where", 200), fitted("aten::where", 40), fitted("aten::masked_fill_", 60), fitted("add", 8)
    ('aten::where', 'where', 'masked_…', '')
    """
    room = int(min((width_px - _PADDING_PX) / _CHARACTER_PX, len(name)))
    if len(name) <= room:
        return name
    inner = next((name.removeprefix(outer) for outer in _OUTER if name.startswith(outer)), name)
    if len(inner) <= room:
        return inner
    return f"{inner[: room - 1]}…" if room >= _FEWEST else ""
