"""The forms that a report comes in, and where each goes unless somebody says so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gradgauge.runs import RunFolder

if TYPE_CHECKING:
    from gradgauge.report.data import RunData

FILES = {"html": "report.html", "markdown": "report.md", "csv": "records.csv", "parquet": "records.parquet"}
"""Format → the file's name in the run folder."""

ON_STANDARD_OUTPUT = ("markdown", "csv")


def missing_reason(form: str) -> str:
    """Return why a format cannot be written here; nothing where it can."""
    from gradgauge.report.tabular import parquet_missing_reason

    return parquet_missing_reason() if form == "parquet" else ""


def default_target(folders: Sequence[RunFolder], form: str, results: Path) -> Path:
    """Return where a report goes: into the run folder, or `comparisons/A..B.html` below the results for several runs.

    >>> default_target([RunFolder(Path("a")), RunFolder(Path("b"))], "csv", Path("results")).as_posix()
    'results/comparisons/a..b.csv'
    """
    name = FILES[form]
    if len(folders) == 1:
        return folders[0].path / name
    together = "..".join(folder.path.name for folder in folders)
    return results / "comparisons" / f"{together}{Path(name).suffix}"


def content(folders: Sequence[RunFolder], form: str) -> bytes:
    """Return the report of one run, or of several side by side, as the bytes of a file.

    Raises UnreadableRun, naming file and key, where a folder's contents are not what a run holds.
    """
    from gradgauge.report.data import RunData

    runs = [RunData.load(folder) for folder in folders]
    if form in ("html", "markdown"):
        return _prose(runs, form).encode("utf-8", "replace")
    from gradgauge.report import tabular

    frame = tabular.all_records(runs, _names(folders, runs))
    return tabular.parquet(frame) if form == "parquet" else tabular.csv(frame).encode("utf-8", "replace")


def _prose(runs: Sequence[RunData], form: str) -> str:
    from gradgauge.report.comparison.page import render_comparison
    from gradgauge.report.markdown import comparison_in_markdown, run_in_markdown
    from gradgauge.report.page import render_page

    if form == "html":
        return render_page(runs[0]) if len(runs) == 1 else render_comparison(runs)
    return run_in_markdown(runs[0]) if len(runs) == 1 else comparison_in_markdown(runs)


def _names(folders: Sequence[RunFolder], runs: Sequence[RunData]) -> list[str]:
    """Return the runs' ids; their paths where two of them have the same id, as a copied run has."""
    names = [run.description.run_id for run in runs]
    return names if len(set(names)) == len(names) else [str(folder.path) for folder in folders]
