"""Is it right, and where not? Values and gradients against the oracle, on every kind of input that was tried."""

from __future__ import annotations

from gradgauge.records import Record
from gradgauge.report.blocks import Block, Bullets, Code, Definitions, Fold, Heading, Paragraph, Text, mark
from gradgauge.report.budgets import BUDGETS, ErrorBudgets
from gradgauge.report.data import RunData
from gradgauge.report.faults import ATLAS, faults_of
from gradgauge.report.formatting import plural
from gradgauge.report.kinds import kinds_of, meanings_of, names_kinds
from gradgauge.report.questions import Question
from gradgauge.report.tables.accuracy import FIGURES, accuracy_tables
from gradgauge.report.tables.matrix import matrix_tables
from gradgauge.report.tables.proofs import EXACTNESS, budgets_table, exactness_table
from gradgauge.report.tables.slopes import SLOPE, slopes_table
from gradgauge.report.tables.worst import ERRORS, worst_table
from gradgauge.report.verdicts import WRONG

TITLE = "Agreement of values and gradients"
QUESTION = Question.GRADIENT
ORDER = 60
_JUDGED = (
    *ERRORS.values(),
    "value_nonfinite",
    "gradient_nonfinite",
    "value_zero_sign",
    "overwritten",
    "gradient_mended",
    "gradcheck",
    "gradgradcheck",
)
SHOWS = frozenset(("gradients", metric) for metric in (*_JUDGED, *FIGURES, SLOPE, *BUDGETS, *EXACTNESS))
_MOST_FAULTS = 12
_MOST_SLOPES = 12
_READING = (
    "The largest error over kinds of input, shapes and layouts, in units in the last place of the dtype; ✓ is within "
    "what roundings excuse at that element."
)


def render(run: RunData) -> list[Block] | None:
    """Return, for each function, what is wrong, the worst errors, the kinds of input, and the figures behind that."""
    records = [record for record in run.records if (record.suite, record.metric) in SHOWS]
    if not records:
        return None
    budgets = ErrorBudgets.of(run)
    blocks: list[Block] = [Paragraph((_READING,)), *_kinds(records)]
    for function in run.function_names():
        here = [record for record in run.records_of(function) if (record.suite, record.metric) in SHOWS]
        if here:
            blocks += [Heading(function), *_function(run, function, here, budgets)]
    return blocks


def _kinds(records: list[Record]) -> list[Block]:
    items = tuple(((kind,), (meaning,)) for kind, meaning in meanings_of(kinds_of(records)))
    return [Fold("Kinds of input", (Definitions(items),))] if names_kinds(records) and items else []


def _function(run: RunData, function: str, here: list[Record], budgets: ErrorBudgets) -> list[Block]:
    entry = run.description.functions.get(function)
    slopes = slopes_table(entry, here)
    many = slopes is not None and (len(slopes.rows) > _MOST_SLOPES or _has_atlas(run, function))
    accuracy = accuracy_tables(here)
    found: list[Block | None] = [
        *(_faults(here) if names_kinds(here) else []),
        worst_table(function, here, budgets),
        *matrix_tables(here),
        Fold(f"Slopes at kinks ({plural(len(slopes.rows), 'finding')})", (slopes,)) if slopes and many else slopes,
        budgets_table(function, here, budgets),
        exactness_table(here),
        Fold("Further figures: error ratios, tails, absolute and relative errors", tuple(accuracy))
        if accuracy
        else None,
    ]
    return [block for block in found if block]


def _has_atlas(run: RunData, function: str) -> bool:
    return any(record.metric in ATLAS for record in run.records_of(function))


def _faults(here: list[Record]) -> list[Block]:
    """Return every fault in words, each implementation's own; nothing where there is none."""
    implementations: dict[str, list[Record]] = {}
    for record in here:
        if record.verdict in WRONG:
            implementations.setdefault(record.case.implementation, []).append(record)
    items: list[Text] = [
        (mark(fault.record.verdict, fault.technique), " — ", Code(fault.metric), f": {fault.what} ({fault.extent})")
        for records in implementations.values()
        for fault in faults_of(records)
    ]
    shown = Bullets(tuple(items[:_MOST_FAULTS]))
    rest = items[_MOST_FAULTS:]
    if not items:
        return []
    return [shown, Fold(plural(len(rest), "more fault"), (Bullets(tuple(rest)),))] if rest else [shown]
