from __future__ import annotations

import math

import pytest

from gradgauge.report import formatting
from gradgauge.report.sort_keys import sort_key


@pytest.mark.parametrize("unit", ["s", "byte", "ratio", "ulp", "byte/s", "flop/s", "count", ""])
def test_what_was_formatted_sorts_as_its_value(unit: str) -> None:
    values = [factor * 10.0**power for power in range(-12, 15) for factor in (1.0, 1.7, 3.3, 9.4)]
    keys = [sort_key(f"≈ {formatting.quantity(value, unit)}") for value in values]
    assert None not in keys
    assert keys == sorted(key for key in keys if key is not None)
    in_range = [(key, value) for key, value in zip(keys, values, strict=True) if key and value >= 1]
    assert all(math.isclose(key, value, rel_tol=0.06) for key, value in in_range)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("★ 1.17 ms", 1.17e-3),
        ("−0.25", -0.25),
        ("-2.00 ms", -2e-3),
        ("63 %", 63),
        ("< 0.001 ulp", 0.001),
        ("2 min 5 s", 120),
        ("∞", math.inf),
        ("—", None),
        ("", None),
        ("not measured", None),
    ],
)
def test_a_cell_s_key(text: str, key: float | None) -> None:
    assert sort_key(text) == key
