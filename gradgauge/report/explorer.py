"""All records in one table of the page: packed column by column, each text once, and compressed."""

from __future__ import annotations

import base64
import gzip
import json
import math

from gradgauge.report.data import RunData

COLUMNS = (
    ("function", "Function"),
    ("implementation", "Implementation"),
    ("mode", "Mode"),
    ("pass", "Pass"),
    ("device", "Device"),
    ("dtype", "Dtype"),
    ("shape", "Shape"),
    ("layout", "Layout"),
    ("suite", "Suite"),
    ("metric", "Metric"),
    ("label_text", "Labels"),
    ("verdict", "Verdict"),
    ("unit", "Unit"),
    ("detail", "Detail"),
)
"""The columns of texts, with their titles."""
FIGURES = (("value", "Value"), ("low", "Low"), ("high", "High"))
"""The columns of numbers, `low` and `high` bounding the 95 % interval."""


def payload(run: RunData) -> str:
    """Return the records as base64 of gzip of JSON: `{"texts": {name: [[text…], [index…]]}, "numbers": {name: […]}}`.

    A missing number is null. Nothing but base64's letters comes out, whatever the records hold.
    """
    import pandas as pd

    frame = run.frame
    texts, numbers = {}, {}
    for name, _ in COLUMNS:
        codes, names = pd.factorize(frame[name])
        texts[name] = [[str(text) for text in names], codes.tolist()]
    for name, _ in FIGURES:
        numbers[name] = [value if math.isfinite(value) else None for value in frame[name].tolist()]
    packed = json.dumps({"texts": texts, "numbers": numbers}, ensure_ascii=False, separators=(",", ":"))
    data = gzip.compress(packed.encode("utf-8", "replace"), compresslevel=6, mtime=0)
    return base64.b64encode(data).decode("ascii")
