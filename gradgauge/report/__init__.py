"""The report: a run folder in, one HTML file out (no torch).

Heavy modules (pandas, seaborn, matplotlib, jinja2) are imported by the call that needs them, so that importing this
package costs a command line nothing.
"""

from __future__ import annotations

from pathlib import Path

from gradgauge.runs import RunFolder

__all__ = ["summary_lines", "write_report"]


def write_report(folder: RunFolder, target: Path | None = None) -> Path:
    """Write the run's report as one self-contained HTML file and return where it is.

    target: by default the run folder's own `report.html`.
    Raises UnreadableRun, naming file and key, where the folder's contents are not what a run holds.
    """
    from gradgauge.report.data import RunData
    from gradgauge.report.page import render_page

    page = render_page(RunData.load(folder))
    target = target or folder.report_html
    scratch = target.with_name(f"{target.name}.tmp")
    scratch.write_bytes(page.encode("utf-8"))
    scratch.replace(target)
    return target


def summary_lines(folder: RunFolder) -> list[str]:
    """Return at most 20 lines of plain text: is anything wrong, and what should I use?

    Raises UnreadableRun as `write_report` does.
    """
    from gradgauge.report.data import RunData
    from gradgauge.report.lines import terminal_lines

    return terminal_lines(RunData.load(folder))
