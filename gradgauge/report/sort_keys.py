"""What a cell's text is worth when its column is sorted: the inverse of `formatting`."""

from __future__ import annotations

import re

_SUPERSCRIPT = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")
_NUMBER = re.compile(r"[-−]?(?:\d[\d,]*(?:\.\d+)?|∞)(?:e[-+]?\d+)?")
_POWER = re.compile(r" × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_SCALES = {
    "ns": 1e-9,
    "µs": 1e-6,
    "ms": 1e-3,
    "min": 60.0,
    "KiB": 2.0**10,
    "MiB": 2.0**20,
    "GiB": 2.0**30,
    "TiB": 2.0**40,
    "kB/s": 1e3,
    "MB/s": 1e6,
    "GB/s": 1e9,
    "TB/s": 1e12,
    "kFLOP/s": 1e3,
    "MFLOP/s": 1e6,
    "GFLOP/s": 1e9,
    "TFLOP/s": 1e12,
}


def sort_key(text: str) -> float | None:
    """Return the first number of a text in SI units; None where it holds none.

    >>> sort_key("★ 1.17 ms"), sort_key("4.0 KiB"), sort_key("△ 1.68 × 10⁷ ulp"), sort_key("1,230"), sort_key("—")
    (0.00117, 4096.0, 16800000.0, 1230.0, None)
    """
    found = _NUMBER.search(text)
    if not found:
        return None
    number = float(found.group().translate(_SUPERSCRIPT).replace(",", "").replace("∞", "inf"))
    rest = text[found.end() :]
    power = _POWER.match(rest)
    if power:
        number, rest = number * 10.0 ** int(power[1].translate(_SUPERSCRIPT)), rest[power.end() :]
    unit = rest.split()[:1]
    return float(f"{number * _SCALES.get(unit[0] if unit else '', 1.0):.6g}")
