"""What makes times doubtful: devices that did not hold still, and intervals that are wider than asked."""

from __future__ import annotations

from gradgauge.records import Record, Verdict
from gradgauge.report import formatting
from gradgauge.report.blocks import Block, Bullets, Heading
from gradgauge.report.data import RunData
from gradgauge.report.formatting import plural
from gradgauge.report.summary import drifting
from gradgauge.report.tables.cells import ABOUT


def unsteady(run: RunData) -> list[Block]:
    """Return which devices did not hold still, and how many times are wider than asked, by how much."""
    moved = [
        f"{ABOUT}{each.subject} did not hold still: {each.text}; times may differ by as much" for each in drifting(run)
    ]
    times = [record for record in run.measured("speed", "time") if record.value is not None]
    noisy = [record for record in times if record.verdict is Verdict.NOISY]
    said = [f"{ABOUT}{len(noisy):,} of {plural(len(times), 'time')} missed {_missed(run, noisy)}"] if noisy else []
    if not moved and not said:
        return []
    return [Heading("Noisy or drifting"), Bullets(tuple((f"{text}.",) for text in (*moved, *said)))]


def _missed(run: RunData, noisy: list[Record]) -> str:
    """Return the precision that was asked for, and how far the widest interval is from it."""
    asked = run.description.timing.precision
    widths = [(_half_width(record), record) for record in noisy]
    width, widest = max(widths, key=lambda pair: pair[0])
    case = widest.case
    where = " · ".join(filter(None, (case.function, case.technique, case.pass_, case.device, case.dtype, case.shape)))
    wanted = "the precision asked for" if asked is None else f"±{formatting.percent(asked)}"
    if not width:
        return wanted
    times = f", {formatting.ratio(width / asked)} as wide" if asked else ""
    return f"{wanted}; the widest interval is ±{formatting.percent(width)}{times} ({where})"


def _half_width(record: Record) -> float:
    if record.low is None or record.high is None or not record.value:
        return 0.0
    return (record.high - record.low) / 2 / record.value
