"""Is it right? Values and gradients against the oracle, in ulps, with what is not judged in a table of its own."""

from __future__ import annotations

from gradgauge.cases import DTYPES
from gradgauge.records import Record, Verdict
from gradgauge.report import formatting
from gradgauge.report.blocks import Block, Cell, Column, Fold, Heading, Mark, Paragraph, Table, Tone, mark, tone_of
from gradgauge.report.data import RunData, label_text

TITLE = "Agreement of values and gradients"
ORDER = 60
_JUDGED = {"value_max_ulp": "value", "gradient_max_ulp": "gradient"}
_FURTHER = {
    "gradient_error_ratio": "error / native error",
    "gradient_tail_ulp": "tail (not judged)",
    "value_nonfinite": "non-finite values",
    "gradient_nonfinite": "non-finite gradients",
}
SHOWS = frozenset(("gradients", metric) for metric in (*_JUDGED, *_FURTHER, "kink_slope"))
Row = tuple[str, str, str]
# From what decides a cell to what leaves it open.
_SEVERITY = (
    Verdict.FAIL,
    Verdict.CRASHED,
    Verdict.EXPECTED_FAIL,
    Verdict.NOISY,
    Verdict.PASS,
    Verdict.MEASURED,
    Verdict.UNSUPPORTED,
    Verdict.UNAVAILABLE,
    Verdict.NOT_APPLICABLE,
)


def render(run: RunData) -> list[Block] | None:
    """Return, for each function, the verdicts by technique and dtype, the slopes at kinks and the further figures."""
    records = [record for record in run.records if (record.suite, record.metric) in SHOWS]
    if not records:
        return None
    reading = (
        "The worst case over shapes, layouts and inputs, in units in the last place of the dtype; ✓ is within the "
        "function's budget."
    )
    blocks: list[Block] = [Paragraph((reading,))]
    for function in run.function_names():
        here = [record for record in records if record.case.function == function]
        if here:
            blocks.append(Heading(function))
            blocks += [*_verdicts(run, function, here), *_kinks(run, function, here), *_further(here)]
    return blocks


def _verdicts(run: RunData, function: str, here: list[Record]) -> list[Block]:
    judged = [record for record in here if record.metric in _JUDGED]
    if not judged:
        return []
    entry = run.description.functions.get(function)
    budgets = entry.budgets_ulp if entry else {}
    dtypes = _dtypes(judged)
    several = len({record.labels.get("input") for record in judged} - {None}) > 1
    devices = list(dict.fromkeys(record.case.device for record in judged))
    columns = [Column("Technique")]
    for dtype in dtypes:
        for metric, word in _JUDGED.items():
            budget = budgets.get(metric)
            note = "" if budget is None else f"budget {formatting.number(budget)} ulp"
            columns.append(Column(f"{word}, {dtype}", note=note))
    rows = []
    for technique in dict.fromkeys(record.case.technique for record in judged):
        for device in devices:
            found = [record for record in judged if (record.case.technique, record.case.device) == (technique, device)]
            if found:
                rows.append(
                    (
                        Cell((technique,), note=device if len(devices) > 1 else ""),
                        *(
                            _worst_cell(
                                [item for item in found if (item.case.dtype, item.metric) == (dtype, metric)],
                                several=several,
                            )
                            for dtype in dtypes
                            for metric in _JUDGED
                        ),
                    )
                )
    return [Table(tuple(columns), tuple(rows))]


def _worst_cell(records: list[Record], *, several: bool) -> Cell:
    if not records:
        return Cell(("—",), tone="muted")
    worst = worst_of(records)
    return Cell((_ulp_mark(worst),), note=_verdict_note(worst, several=several), tone=_quiet(worst.verdict))


def worst_of(records: list[Record]) -> Record:
    """Return the record that decides: the severest verdict, then no finite value, then the largest value."""
    return min(
        records,
        key=lambda record: (
            _SEVERITY.index(record.verdict),
            record.value is not None,
            -(record.value or 0),
        ),
    )


def _ulp_mark(record: Record) -> Mark:
    if record.value is not None:
        return mark(record.verdict, formatting.quantity(record.value, record.unit))
    judged = record.verdict in (Verdict.FAIL, Verdict.EXPECTED_FAIL, Verdict.PASS, Verdict.MEASURED)
    return mark(record.verdict, "no finite value" if judged else "")


def _verdict_note(record: Record, *, several: bool) -> str:
    where = [] if not several or "input" not in record.labels else [f"input {record.labels['input']}"]
    said = [str(record.verdict)] if record.verdict in (Verdict.FAIL, Verdict.EXPECTED_FAIL) else []
    passed = [record.detail] if record.verdict is Verdict.PASS and record.detail else []
    return " · ".join([*said, *where, *passed])


def _kinks(run: RunData, function: str, here: list[Record]) -> list[Block]:
    slopes = [record for record in here if record.metric == "kink_slope"]
    if not slopes:
        return []
    entry = run.description.functions.get(function)
    allowed = {kink.name: kink.slopes for kink in entry.kinks} if entry else {}
    rows = []
    for record in slopes:
        kink = record.labels.get("kink", "")
        span = allowed.get(kink)
        implementation = entry.implementations.get(record.case.implementation) if entry else None
        declared = implementation.convention.get(kink) if implementation else None
        value = formatting.MISSING if record.value is None else formatting.number(record.value)
        rows.append(
            (
                Cell((record.case.technique,), note=record.case.dtype),
                Cell((kink,)),
                Cell((mark(record.verdict, value),), note=record.detail, tone=_quiet(record.verdict)),
                Cell(("—" if declared is None else formatting.number(declared),)),
                Cell(("—" if span is None else f"{formatting.number(min(span))} … {formatting.number(max(span))}",)),
            )
        )
    columns = (
        Column("Technique"),
        Column("Kink"),
        Column("Slope taken"),
        Column("Declared"),
        Column("Right is anything in"),
    )
    table = Table(columns, tuple(rows), "The slope at kinks: a convention, not an error, as long as it lies between")
    many = len(rows) > 12
    return [Fold(f"Slopes at kinks ({len(rows)} measured)", (table,)) if many else table]


def _further(here: list[Record]) -> list[Block]:
    further = [record for record in here if record.metric in _FURTHER]
    if not further:
        return []
    metrics = [metric for metric in _FURTHER if any(record.metric == metric for record in further)]
    grouped: dict[Row, list[Record]] = {}
    for record in further:
        grouped.setdefault((record.case.technique, record.case.dtype, label_text(record)), []).append(record)
    grouped = _values_beside_gradients(grouped)
    rows = tuple(
        (
            Cell((technique,), note=label),
            Cell((dtype,)),
            *(_further_cell([record for record in found if record.metric == metric]) for metric in metrics),
        )
        for (technique, dtype, label), found in grouped.items()
    )
    columns = (
        Column("Technique"),
        Column("dtype"),
        *(Column(_FURTHER[metric], numeric=True) for metric in metrics),
    )
    caption = "Worst over shapes and layouts. An error ratio of 1 is as good as native eager; above 1 is worse."
    return [Fold("Error ratios, tails and non-finite counts", (Table(columns, rows, caption, heads=2),))]


def _values_beside_gradients(grouped: dict[Row, list[Record]]) -> dict[Row, list[Record]]:
    """Return the rows, a value's (it belongs to no input) joined to the first input of the same technique and dtype."""
    joined = dict(grouped)
    for row in grouped:
        technique, dtype, label = row
        host = next(
            (other for other in grouped if other[:2] == (technique, dtype) and other[2].startswith("input=")), None
        )
        if not label and host:
            joined[host] = [*joined[host], *joined.pop(row)]
    return joined


def _further_cell(records: list[Record]) -> Cell:
    if not records:
        return Cell(("—",), tone="muted")
    worst = worst_of(records)
    if worst.value is None:
        return Cell(
            (mark(worst.verdict) if worst.verdict is not Verdict.MEASURED else "—",), tone=_quiet(worst.verdict)
        )
    shown = formatting.quantity(worst.value, worst.unit)
    if worst.verdict in (Verdict.MEASURED, Verdict.PASS):
        return Cell((shown,))
    return Cell((mark(worst.verdict, shown),), tone=_quiet(worst.verdict))


def _quiet(verdict: Verdict) -> Tone:
    tone = tone_of(verdict)
    return "plain" if tone == "good" else tone


def _dtypes(records: list[Record]) -> list[str]:
    found = {record.case.dtype for record in records}
    return [dtype for dtype in DTYPES if dtype in found] + sorted(found - set(DTYPES))
