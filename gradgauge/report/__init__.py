"""The report: run folders in; a page, Markdown or a table of records out (no torch).

Heavy modules (pandas, seaborn, matplotlib, jinja2) are imported by the call that needs them, so that importing this
package costs a command line nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gradgauge.runs import RunFolder

__all__ = ["summary_lines", "write_report", "write_reports", "write_trend"]

_OBJECTS_BETWEEN = 50_000


def write_report(folder: RunFolder, target: Path | None = None) -> Path:
    """Write the run's report as one self-contained HTML file and return where it is.

    target: by default the run folder's own `report.html`.
    Raises UnreadableRun, naming file and key, where the folder's contents are not what a run holds.
    """
    return write_reports([folder], "html", target or folder.report_html)


def write_reports(folders: Sequence[RunFolder], form: str, target: Path) -> Path:
    """Write the report of one run, or of several side by side, in one of `formats.FILES` and return where it is.

    Raises UnreadableRun as `write_report` does.
    """
    from gradgauge.report.formats import content

    with _seldom_collected():
        return _replaced(target, content(folders, form))


def write_trend(results: Path, target: Path) -> Path:
    """Write the page of all runs below a folder and return where it is.

    Raises UnreadableRun where none of them can be read.
    """
    from gradgauge.report.trend.page import render_trend

    return _replaced(target, render_trend(results).encode("utf-8"))


def summary_lines(folder: RunFolder) -> list[str]:
    """Return at most 20 lines of plain text: is anything wrong, and what should I use?

    Raises UnreadableRun as `write_report` does.
    """
    from gradgauge.report.data import RunData
    from gradgauge.report.lines import terminal_lines

    return terminal_lines(RunData.load(folder))


def _replaced(target: Path, content: bytes) -> Path:
    """Replace a file in one step, so that a reader never sees half of it."""
    scratch = target.with_name(f"{target.name}.tmp")
    # A stranger's run folder may hold a link of that name, and writing would follow it.
    scratch.unlink(missing_ok=True)
    scratch.write_bytes(content)
    scratch.replace(target)
    return target


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Have Python look for cycles less often: among the million objects of a large report are hardly any."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
