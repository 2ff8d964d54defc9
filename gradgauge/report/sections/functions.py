"""What each function is, and what each implementation makes of it."""

from __future__ import annotations

from gradgauge.report.blocks import Block, Cell, Code, Column, Definitions, Heading, Paragraph, Table, Text
from gradgauge.report.budgets import ErrorBudgets
from gradgauge.report.data import RunData
from gradgauge.report.description import FunctionEntry, ImplementationEntry, KinkEntry
from gradgauge.report.figures.curve_panels import curve_figure
from gradgauge.report.formatting import number
from gradgauge.report.questions import Question

TITLE = "The functions"
QUESTION = Question.GRADIENT
ORDER = 30
SHOWS: frozenset[tuple[str, str]] = frozenset()


def render(run: RunData) -> list[Block] | None:
    """Return formula, derivative, source, conventions and curves of every function that the run speaks of."""
    blocks: list[Block] = []
    budgets = ErrorBudgets.of(run)
    for name in run.selected_functions():
        entry = run.description.functions.get(name)
        blocks.append(Heading(name))
        if entry:
            blocks += _definition(entry)
        curves = curve_figure(run, name, entry, budgets)
        blocks.append(curves or Paragraph(("No curve was recorded for this function.",), muted=True))
        if entry:
            blocks += _implementations(entry)
    return blocks or None


def _definition(entry: FunctionEntry) -> list[Block]:
    facts = [
        ("f", entry.formula),
        ("f′", entry.derivative),
        ("inputs", ", ".join(entry.inputs)),
        ("kinks", "\n".join(_kink(kink) for kink in entry.kinks)),
        ("agrees within", _budgets(entry)),
        ("source", entry.source),
        ("defined in", "" if entry.origin == "built-in" else entry.origin),
    ]
    items: list[tuple[Text, Text]] = [((term,), (value,)) for term, value in facts if value]
    summary: list[Block] = [Paragraph((entry.summary,))] if entry.summary else []
    return [*summary, Definitions(tuple(items), mono=True)]


def _kink(kink: KinkEntry) -> str:
    if kink.slopes is None:
        return kink.name
    left, right = (number(slope) for slope in kink.slopes)
    return f"{kink.name}: slope {left} from the left, {right} from the right"


def _budgets(entry: FunctionEntry) -> str:
    names = {"value_max_ulp": "value", "gradient_max_ulp": "gradient"}
    known = [(names[metric], budget) for metric, budget in entry.budgets_ulp.items() if budget is not None]
    return ", ".join(f"{name} {number(budget)} ulp" for name, budget in known)


def _implementations(entry: FunctionEntry) -> list[Block]:
    if not entry.implementations:
        return []
    kinks = [kink.name for kink in entry.kinks]
    kinks += [name for item in entry.implementations.values() for name in item.convention if name not in kinks]
    columns = (
        Column("Implementation"),
        Column("What it does"),
        *(Column(f"slope at {kink}", numeric=True) for kink in dict.fromkeys(kinks)),
        Column("Needs"),
    )
    rows = tuple(_implementation_row(item, list(dict.fromkeys(kinks))) for item in entry.implementations.values())
    return [Table(columns, rows, caption="Implementations and the slope that each declares at a kink")]


def _implementation_row(item: ImplementationEntry, kinks: list[str]) -> tuple[Cell, ...]:
    slopes = [item.convention.get(kink) for kink in kinks]
    return (
        Cell((Code(item.name),), note="" if item.origin == "built-in" else item.origin),
        Cell((item.summary or "—",)),
        *(Cell(("—" if slope is None else number(slope),)) for slope in slopes),
        Cell((", ".join(item.requires) or "—",)),
    )
