"""All records of runs as a table: CSV for a spreadsheet, Parquet for a program."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gradgauge.report.data import RunData

if TYPE_CHECKING:
    from pandas import DataFrame

_WHOLE = ("elements", "samples")
# A spreadsheet takes a cell that begins with one of these for a formula, a quoted one as well; the last four are the
# full-width forms, which some take for the same. OWASP, "CSV Injection"; ASVS 1.2.10.
_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")  # noqa: RUF001
_AS_TEXT = "'"


def parquet_missing_reason() -> str:
    """Return why Parquet cannot be written; nothing where it can."""
    return "" if find_spec("pyarrow") else "pyarrow is not installed: pip install 'gradgauge[parquet]'"


def all_records(runs: Sequence[RunData], names: Sequence[str]) -> DataFrame:
    """Return the records of all runs below one another, `run` first: what each run is called.

    labels: JSON; label_text: the same in words, what is usual unsaid. A figure that is missing is missing, and so is
    an axis or a text that is blank.
    """
    import pandas as pd

    frames = []
    for run, name in zip(runs, names, strict=True):
        frame = run.frame
        labels = [json.dumps(dict(found), ensure_ascii=False, sort_keys=True) for found in frame["labels"]]
        frame = frame.assign(labels=labels, **{column: frame[column].astype("Int64") for column in _WHOLE})
        frame.insert(0, "run", name)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def csv(frame: DataFrame) -> str:
    """Return the table as CSV: full precision, what is missing blank, no text that a spreadsheet would calculate."""
    texts = frame.select_dtypes(include=["object", "string"]).columns
    safe = frame.assign(**{column: [_inert(text) for text in frame[column]] for column in texts})
    return safe.to_csv(index=False, lineterminator="\n")


def parquet(frame: DataFrame) -> bytes:
    """Return the table as a Parquet file, texts as they are."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, engine="pyarrow", index=False)
    return buffer.getvalue()


def _inert(text: str) -> str:
    return f"{_AS_TEXT}{text}" if text.startswith(_BEGINS_A_FORMULA) else text
