"""Machine: what it can do, and did it hold still?"""

from __future__ import annotations

from gradgauge.report.blocks import Block, Figure, Heading, Panel, Paragraph
from gradgauge.report.control import MOST_DRIFT, Control, controls
from gradgauge.report.data import RunData
from gradgauge.report.figures.drift_plot import draw_drift
from gradgauge.report.formatting import duration, percent, plural
from gradgauge.report.questions import Question
from gradgauge.report.tables.peaks import OVERHEADS, PEAKS, overhead_tables, peak_tables

TITLE = "Machine: what it can do, and did it hold still?"
QUESTION = Question.TRUST
ORDER = 65
SHOWS = frozenset(("machine", metric) for metric in (*PEAKS, *OVERHEADS))


def render(run: RunData) -> list[Block] | None:
    """Return the control over the session, the measured peaks and the harness's cost; None where none was measured."""
    found = controls(run)
    blocks: list[Block] = [Heading("Did it hold still?"), *_drift(found)] if found else []
    peaks, overhead = peak_tables(run), overhead_tables(run)
    blocks += [Heading("What it can do"), *peaks] if peaks else []
    blocks += [Heading("What measuring costs"), *overhead] if overhead else []
    return blocks or None


def _drift(found: list[Control]) -> list[Block]:
    panels = tuple(_panel(control, several=len(found) > 1) for control in found)
    intro = (
        "The control is the same work from start to end, timed in turns with every block: where it changes, the "
        "machine did, not the code."
    )
    caption = (
        "How much longer the control took over the session than at its fastest. Dots: single points, triangles where "
        "they lie beyond the edge. Bars: medians of each timed block, or of parts of it where blocks are few; thick "
        f"where they lie above the shaded {percent(MOST_DRIFT)}."
    )
    return [Paragraph((intro,)), Figure(panels, caption)]


def _panel(control: Control, *, several: bool) -> Panel:
    where = control.device or "no device recorded"
    told = _finding(control)
    title = f"{where}, {control.workload}" if several and control.workload else where
    alt = f"Drift of {where} against the time into the session: {told}"
    mark = "✗ " if control.has_drifted else "✓ " if len(control.stretches) > 1 else ""
    return Panel(draw_drift(control, alt), alt, title, f"{mark}{told}", "bad" if control.has_drifted else "plain")


def _finding(control: Control) -> str:
    over = f"{plural(len(control.blocks), 'timed block')} in {duration(control.span_s)}"
    if len(control.stretches) == 1:
        return f"too few points to see it move: {len(control.points)} in {over}."
    return f"over {over}, the control took {control.drift_in_words}."
